/// How the SQLite store behaves. Only tests have a reason to change it, but for ``upgradedRetention``.
package struct SQLiteSettings: Sendable {
    /// `FULL` in production: every commit is synced.
    package let synchronous: String
    /// A registered VFS; nil is the system's.
    package let vfs: String?
    package let disk: DiskAllocator
    /// The log is written back once it holds this many bytes.
    package let logBytesMax: Int
    /// A log of this size is left alone while there is nothing to do.
    package let idleLogBytesMax: Int
    /// For so long there must have been no commit before the log is written back.
    package let idleTime: Duration
    package let cacheBytes: Int
    /// How long jobs stay that have succeeded under 0.1.0, which did not write it down, by queue; nil is for ever.
    package let upgradedRetention: @Sendable (_ queue: String) -> Duration?

    /// The longest time for which 0.1.0 could be told to keep them.
    package static let retentionOfOldMax: Duration = .seconds(365 * 86400)

    package init(
        synchronous: String = "FULL", vfs: String? = nil, disk: DiskAllocator = .system, logBytesMax: Int = 64 << 20,
        idleLogBytesMax: Int = 1 << 20, idleTime: Duration = .seconds(1), cacheBytes: Int = 16 << 20,
        upgradedRetention: @escaping @Sendable (_ queue: String) -> Duration? = { _ in Self.retentionOfOldMax }
    ) {
        precondition(logBytesMax >= idleLogBytesMax && idleLogBytesMax >= 0 && cacheBytes > 0, "sizes make sense")
        self.synchronous = synchronous
        self.vfs = vfs
        self.disk = disk
        self.logBytesMax = logBytesMax
        self.idleLogBytesMax = idleLogBytesMax
        self.idleTime = idleTime
        self.cacheBytes = cacheBytes
        self.upgradedRetention = upgradedRetention
    }
}
