package import MartletCore

/// A job of a submit that has been checked, on its way through the commit log.
package struct PreparedJob: Sendable {
    package let traits: JobTraits
    package let payload: Bytes
    /// Nil: at once.
    package let due: WallTime?

    package init(traits: JobTraits, payload: Bytes, due: WallTime?) {
        self.traits = traits
        self.payload = payload
        self.due = due
    }
}
