import CFaultVFS
import CSQLite
import Foundation
import MartletStoreSQLite

/// A registered VFS that writes down every change of a file and can let one fail.
final class FaultVFS: @unchecked Sendable {
    enum Kind: Int32 {
        case write = 1
        case sync = 2
        case truncate = 3
        case delete = 4
    }

    struct Event {
        /// Nil for what failed.
        let kind: Kind?
        /// Last component of the path.
        let file: String
        /// The new size, for a truncation.
        let offset: Int
        let bytes: UnsafeBufferPointer<UInt8>
    }

    let name = "fault-\(UUID().uuidString)"
    private let handle: OpaquePointer

    init() {
        self.handle = fault_vfs_create(self.name)
    }

    deinit {
        fault_vfs_destroy(self.handle)
    }

    var eventCount: Int { Int(fault_vfs_event_count(self.handle)) }

    /// How many changes have failed.
    var failedCount: Int { Int(fault_vfs_failed_count(self.handle)) }

    /// Valid as long as this object.
    func event(_ index: Int) -> Event {
        let event = fault_vfs_event(self.handle, Int32(index))
        let path = String(cString: fault_vfs_path(self.handle, event.file))
        return Event(
            kind: Kind(rawValue: event.kind), file: String(path.split(separator: "/").last ?? ""),
            offset: Int(event.offset), bytes: UnsafeBufferPointer(start: event.bytes, count: Int(event.count)))
    }

    /// Lets the change fail that comes after `count` others of its kind, and all later ones if it `lasts`.
    func fail(_ kind: Kind, after count: Int, with code: Int32, lasts: Bool = false) {
        fault_vfs_fail(self.handle, Int32(count), code, lasts ? 1 : 0, 1 << kind.rawValue)
    }

    func failNoMore() { fault_vfs_fail(self.handle, -1, 0, 0, 0) }
}

extension DiskAllocator {
    /// Always has room, and takes none.
    static let endless = DiskAllocator(allocate: { _, _ in 0 }, available: { _ in .max })
}
