/// That somebody changed the limits of a service: who, when and what.
package struct ServiceChange: Hashable, Sendable {
    package let name: String
    package let at: WallTime
    package let by: String
    /// For people.
    package let what: String

    package init(name: String, at: WallTime, by: String, what: String) {
        self.name = name
        self.at = at
        self.by = by
        self.what = what
    }

    /// So many are kept, the latest.
    package static let changesMax = 1000
    package static let byBytesMax = 128
    package static let whatBytesMax = 1024
}
