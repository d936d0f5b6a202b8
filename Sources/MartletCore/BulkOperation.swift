/// What is done to many jobs.
package enum BulkOperation: Hashable, Sendable {
    /// Pending jobs end as cancelled, running ones too.
    case cancel
    /// Dead jobs are ready again, failures and node deaths counted from zero.
    case retry
    /// Jobs that are over are removed.
    case delete
    /// Jobs that wait and are with no node are removed.
    case purge
    /// Jobs that wait are due then, or at once if nil.
    case reschedule(WallTime?)
    /// Jobs that wait have another priority.
    case prioritize(Priority)
}
