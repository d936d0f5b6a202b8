import CSQLite
import MartletCore
import MartletRuntime
import MartletStore
import MartletStoreSQLite
import StoreConformance
import Testing

/// Lets one write, sync or truncation after the other fail, once or for good, and looks at what the store says of it
/// and what is there when it is opened again.
@Suite(.timeLimit(.minutes(5))) struct StoreFaultTests {
    struct Fault: CustomTestStringConvertible, Sendable {
        let kind: FaultVFS.Kind
        let code: Int32
        let lasts: Bool
        /// Pages; few, so that pages are written before COMMIT.
        var cacheBytes = 16 << 20

        var testDescription: String { "\(self.kind) \(self.code) lasts \(self.lasts) cache \(self.cacheBytes)" }
    }

    private static let ioErrorWrite = SQLITE_IOERR | 3 << 8
    private static let ioErrorSync = SQLITE_IOERR | 4 << 8
    private static let ioErrorTruncate = SQLITE_IOERR | 6 << 8

    private static let faults = [
        Fault(kind: .write, code: ioErrorWrite, lasts: false),
        Fault(kind: .write, code: ioErrorWrite, lasts: false, cacheBytes: 24 << 10),
        Fault(kind: .write, code: ioErrorWrite, lasts: true),
        Fault(kind: .write, code: SQLITE_FULL, lasts: false),
        Fault(kind: .write, code: SQLITE_FULL, lasts: false, cacheBytes: 24 << 10),
        Fault(kind: .write, code: SQLITE_FULL, lasts: true, cacheBytes: 24 << 10),
        Fault(kind: .sync, code: ioErrorSync, lasts: false),
        Fault(kind: .sync, code: ioErrorSync, lasts: true),
        Fault(kind: .truncate, code: ioErrorTruncate, lasts: false),
    ]

    private let workload = StoreWorkload(
        seed: 12, groups: 50, limits: .init(changesMax: 6, jobsMax: 12, payloadMax: 1500))

    /// What a run met.
    private struct Course {
        var answered = 0
        /// The error of the first call that failed.
        var first: StoreError.Code?
        var isUnknown = false
    }

    @Test(arguments: faults) func whateverFailsWhatWasAnsweredIsThere(fault: Fault) async throws {
        let loops = StoreLoops()
        defer { loops.shutdown() }
        var seen: [StoreError.Code: Int] = [:]
        var runs = 0
        var place = 0
        while let course = try await self.run(fault, after: place, loops) {
            runs += 1
            if let code = course.first { seen[code, default: 0] += 1 }
            // A frame is two writes: no multiple of it.
            place += fault.kind == .write ? 23 : 2
        }
        #expect(runs > (fault.kind == .truncate ? 1 : 20))
        switch fault.kind {
        case .sync: #expect(seen[.outcomeUnknown, default: 0] > 10, "\(seen)")
        case .write where fault.cacheBytes < 1 << 20:
            #expect(seen[fault.code == SQLITE_FULL ? .diskFull : .rolledBack, default: 0] > 5, "\(seen)")
        case .write: #expect(seen[.outcomeUnknown, default: 0] > 10, "\(seen)")
        default: break
        }
    }

    /// Returns nil if nothing was there to fail.
    private func run(_ fault: Fault, after place: Int, _ loops: StoreLoops) async throws -> Course? {
        let folder = try TemporaryFolder()
        let vfs = FaultVFS()
        vfs.fail(fault.kind, after: place, with: fault.code, lasts: fault.lasts)
        let settings = SQLiteSettings(
            vfs: vfs.name, disk: .endless, logBytesMax: 150 << 10, idleLogBytesMax: 0, cacheBytes: fault.cacheBytes)
        func makeStore() -> SQLiteStore {
            SQLiteStore(
                path: folder.file("store.db"), shard: StoreWorkload.shard, loop: loops.writer,
                readerLoop: loops.reader, settings: settings)
        }
        let store = makeStore()
        var course = Course()
        do {
            course = try await self.commitAll(to: store, store.open().epoch) { if fault.lasts { vfs.failNoMore() } }
        } catch let error as StoreError {
            #expect([.failed, .diskFull].contains(error.code), "\(error)")
            course.first = error.code
        }
        await store.close()
        guard vfs.failedCount > 0 else { return nil }
        vfs.failNoMore()

        let next = makeStore()
        let opening = try await next.open()
        let most = course.isUnknown ? course.answered + 1 : course.answered
        let found = try await self.workload.find(course.answered...most, in: next, epoch: opening.epoch)
        #expect(found != nil, "\(fault) after \(place): neither \(course.answered) nor \(most) groups are there")
        await next.close()
        return course
    }

    /// Commits all groups, or until an outcome is unknown; again what was certainly not applied.
    ///
    /// - Parameter retreat: called before a group is tried again.
    private func commitAll(to store: SQLiteStore, _ epoch: Epoch, retreat: () -> Void) async throws -> Course {
        var course = Course()
        while course.answered < self.workload.groups.count {
            let group = self.workload.group(course.answered, epoch: epoch)
            do {
                _ = try await store.commit(group)
                course.answered += 1
            } catch {
                course.first = course.first ?? error.code
                if error.code == .outcomeUnknown {
                    course.isUnknown = true
                    break
                }
                #expect([.diskFull, .rolledBack].contains(error.code), "\(error)")
                #expect(try await StoreSnapshot(of: store) == self.workload.snapshots[course.answered])
                retreat()
            }
        }
        if course.isUnknown {
            // Whatever is asked from now on, nobody is answered.
            let error = await #expect(throws: StoreError.self) {
                try await store.commit(CommitGroup(epoch: epoch, now: WallTime(microseconds: 0), changes: []))
            }
            #expect(error?.code == .outcomeUnknown)
        }
        return course
    }
}
