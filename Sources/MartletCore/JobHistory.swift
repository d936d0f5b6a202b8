/// What a job has been through. Its next attempt number is `failures + 1`.
package struct JobHistory: Hashable, Sendable {
    /// Attempts that failed; what the retry policy counts.
    package var failures: UInt16
    /// Times that a node died with the job on it; apart from `failures`.
    package var nodeDeaths: UInt8

    package init(failures: UInt16 = 0, nodeDeaths: UInt8 = 0) {
        self.failures = failures
        self.nodeDeaths = nodeDeaths
    }
}
