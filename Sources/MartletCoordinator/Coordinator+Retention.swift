import MartletCore
import MartletObservability
import MartletRuntime
import MartletStore

/// Forgets what is too old to matter, and what there is no room for.
extension Coordinator {
    /// Rows removed in one commit.
    private static let purgeMax = 1000
    /// Between looks at what queues keep: so much more than the bound may be there for a moment.
    private static let trimInterval: Duration = .seconds(1)
    /// Between two lines in the log about the same queue.
    private static let trimNoticeInterval: Duration = .seconds(600)

    func housekeep(_ commitLog: CommitLog, _ clients: ClientService) async throws {
        while true {
            try await self.loop.sleep(for: .seconds(60))
            let unused = self.loop.wallTime - Self.sessionLifetime
            // As many go as came, or there would be more and more of them.
            let rounds = 1 + (await clients.takeSessionsOpened()) / Change.expiredSessionsMax
            for _ in 0..<rounds {
                _ = await commitLog.commit([.expireSessions(unusedSince: unused)], kind: .essential, jobs: 0)
            }
            _ = try await self.purge(.purge(limit: Self.purgeMax), commitLog)
            _ = try await self.purge(.purgeWorkflows(limit: Self.purgeMax), commitLog)
        }
    }

    /// Removes what was kept for long enough, in groups that delay nobody, until none is left.
    ///
    /// - Returns: how much that was.
    private func purge(_ change: Change, _ commitLog: CommitLog) async throws -> Int {
        var removed = 0
        while true {
            try Task.checkCancellation()
            guard
                case .success(let outcomes) = await commitLog.commit([change], kind: .essential),
                case .purged(let count) = outcomes.first
            else { return removed }
            removed += count
            guard count == Self.purgeMax else { return removed }
        }
    }

    /// Keeps the jobs of each queue that are over within its bytes.
    func trimKept(_ commitLog: CommitLog) async throws {
        var noticed: [String: Instant] = [:]
        var isFailing = false
        while true {
            try await self.loop.sleep(for: Self.trimInterval)
            do {
                for (queue, bytesMax) in try await self.queuesOverBytes() {
                    let trim = KeptTrim(queue: queue, bytesMax: bytesMax, limit: Self.purgeMax)
                    let removed = try await self.purge(.trim(trim), commitLog)
                    let isNew = noticed[queue].map { self.loop.now - $0 >= Self.trimNoticeInterval } ?? true
                    guard removed > 0, isNew else { continue }
                    noticed[queue] = self.loop.now
                    self.log(
                        .notice, "jobs that were over were removed: their queue keeps no more bytes",
                        [.queue: queue, .count: removed])
                }
                isFailing = false
            } catch let error as StoreError {
                if !isFailing { self.log(.error, "kept bytes could not be read", [.cause: error.message]) }
                isFailing = true
            }
        }
    }

    /// In the order of their names, with what each may keep.
    private func queuesOverBytes() async throws -> [(queue: String, bytesMax: Int)] {
        var bytes: [String: UInt64] = [:]
        for total in try await self.store.laneTotals() where total.keptBytes > 0 {
            bytes[total.lane.queue, default: 0] += total.keptBytes
        }
        return bytes.keys.sorted().compactMap { queue in
            guard let bytesMax = self.settings.retention(of: queue).bytesMax, bytes[queue]! > UInt64(bytesMax) else {
                return nil
            }
            return (queue, bytesMax)
        }
    }
}
