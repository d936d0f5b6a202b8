import MartletCore
import MartletRuntime
import MartletStore
import MartletStoreSQLite
import Synchronization
import Testing

/// When the log is written back.
@Suite(.timeLimit(.minutes(1))) struct CheckpointTests {
    /// A thread's loop whose clock only the test moves.
    private final class SteppedLoop: EventLoop, @unchecked Sendable {
        private struct Timers {
            var now = Instant(nanoseconds: 1_000_000_000)
            var pending: [(deadline: Instant, action: @Sendable () -> Void)] = []
        }

        private let thread: ThreadLoop
        private let timers = Mutex(Timers())

        init(thread: ThreadLoop) {
            self.thread = thread
            super.init()
        }

        override var now: Instant { self.timers.withLock { $0.now } }

        override var isCurrent: Bool { self.thread.isCurrent }

        override func enqueue(_ job: consuming ExecutorJob) { self.thread.enqueue(job) }

        override func schedule(at deadline: Instant, _ action: @escaping @Sendable () -> Void) -> TimerID {
            self.timers.withLock { $0.pending.append((deadline, action)) }
            return TimerID(rawValue: 0)
        }

        /// Lets time pass and runs what is due, on the thread.
        func advance(by duration: Duration) async {
            let due = self.timers.withLock { timers in
                timers.now = timers.now + duration
                let due = timers.pending.filter { $0.deadline <= timers.now }
                timers.pending.removeAll { $0.deadline <= timers.now }
                return due
            }
            await withUnsafeContinuation { continuation in
                self.thread.schedule(at: self.thread.now) {
                    for timer in due { timer.action() }
                    continuation.resume()
                }
            }
        }
    }

    private struct Scene {
        let vfs = FaultVFS()
        let loops = StoreLoops()
        let loop: SteppedLoop
        let store: SQLiteStore
        let epoch: Epoch
        private let folder: TemporaryFolder

        init(logBytesMax: Int) async throws {
            self.folder = try TemporaryFolder()
            self.loop = SteppedLoop(thread: self.loops.writer)
            self.store = SQLiteStore(
                path: self.folder.file("store.db"), loop: self.loop, readerLoop: self.loops.reader,
                settings: SQLiteSettings(
                    vfs: self.vfs.name, disk: .endless, logBytesMax: logBytesMax, idleLogBytesMax: 8192,
                    idleTime: .seconds(1)))
            self.epoch = try await self.store.open().epoch
        }

        func commit(payloadBytes: Int) async throws {
            let session = SessionID(high: 1, low: 1)
            let payload = Bytes(copying: [UInt8](repeating: 7, count: payloadBytes))
            let sequence = UInt64(self.vfs.eventCount)
            let jobs = [NewJob(lane: LaneID(rawValue: 0), options: .standard, payload: payload)]
            _ = try await self.store.commit(
                CommitGroup(
                    epoch: self.epoch, now: WallTime(microseconds: 1),
                    newLanes: [(LaneID(rawValue: 0), LaneKey(queue: "q", type: "t"))],
                    changes: [
                        .openSession(session),
                        .submit(Submission(session: session, sequence: sequence, jobs: jobs)),
                    ]))
        }

        /// Syncs of the database file: one for each time the log was written back.
        var checkpoints: Int {
            (0..<self.vfs.eventCount).count { index in
                let event = self.vfs.event(index)
                return event.kind == .sync && event.file == "store.db"
            }
        }

        /// Where the last byte of the log ever was.
        var longestLog: Int {
            (0..<self.vfs.eventCount).map { self.vfs.event($0) }
                .filter { $0.kind == .write && $0.file == "store.db-wal" }
                .map { $0.offset + $0.bytes.count }.max() ?? 0
        }

        func end() async {
            await self.store.close()
            self.loops.shutdown()
        }
    }

    @Test func theLogIsWrittenBackWhenNothingElseHappens() async throws {
        let scene = try await Scene(logBytesMax: 64 << 20)
        try await scene.commit(payloadBytes: 10_000)
        let before = scene.checkpoints
        await scene.loop.advance(by: .milliseconds(900))
        #expect(scene.checkpoints == before)
        // Busy again: the second of rest begins anew.
        try await scene.commit(payloadBytes: 10)
        await scene.loop.advance(by: .milliseconds(200))
        #expect(scene.checkpoints == before)
        await scene.loop.advance(by: .milliseconds(1000))
        #expect(scene.checkpoints == before + 1)
        // And then there is nothing to do.
        await scene.loop.advance(by: .seconds(100))
        #expect(scene.checkpoints == before + 1)
        await scene.end()
    }

    @Test func aShortLogIsLeftAlone() async throws {
        let scene = try await Scene(logBytesMax: 64 << 20)
        try await scene.commit(payloadBytes: 10_000)
        await scene.loop.advance(by: .seconds(1))
        let before = scene.checkpoints
        try await scene.store.commit(epoch: scene.epoch)
        await scene.loop.advance(by: .seconds(100))
        #expect(scene.checkpoints == before)
        await scene.end()
    }

    @Test func aLongLogIsWrittenBackAtOnce() async throws {
        let scene = try await Scene(logBytesMax: 200_000)
        let before = scene.checkpoints
        try await scene.commit(payloadBytes: 100_000)
        await scene.loop.advance(by: .zero)
        #expect(scene.checkpoints == before)
        try await scene.commit(payloadBytes: 100_000)
        await scene.loop.advance(by: .zero)
        #expect(scene.checkpoints == before + 1)
        // Its space is used again: the file does not grow.
        let longest = scene.longestLog
        for _ in 0..<20 {
            try await scene.commit(payloadBytes: 100_000)
            await scene.loop.advance(by: .zero)
        }
        #expect(scene.longestLog <= longest + 150_000)
        await scene.end()
    }
}

extension SQLiteStore {
    /// Changes next to nothing.
    fileprivate func commit(epoch: Epoch) async throws {
        let node = NodeRecord(id: NodeID(name: "n", incarnation: 1), leaseDuration: .seconds(1))
        _ = try await self.commit(
            CommitGroup(epoch: epoch, now: WallTime(microseconds: 1), changes: [.saveNode(node)]))
    }
}
