extension Route {
    /// Everything that is served, in the order in which it is described.
    static let all: [Route] = Self.health
}
