import Glibc
import MartletStore

/// Lays down space before it is needed, so that a full disk is met before a transaction begins and not in its COMMIT.
///
/// The log file is extended ahead of what a group may write. A reserve file beside the database is given up when
/// essential changes meet a full disk; until it can be laid down again nothing else is taken in, so that its space
/// goes to them.
struct DiskSpace {
    static let reserveBytes = 8 << 20
    private static let step = 4 << 20

    private enum Reserve {
        case laid
        case missing
        /// The file system cannot set space aside.
        case impossible
    }

    private let logPath: String
    private let reservePath: String
    private let disk: DiskAllocator
    private var reserve = Reserve.missing
    private var laidDown = 0

    init(databasePath: String, disk: DiskAllocator) {
        self.logPath = databasePath + "-wal"
        self.reservePath = databasePath + "-reserve"
        self.disk = disk
    }

    /// The log file was cut: what was laid down is gone.
    mutating func logWasCut() { self.laidDown = 0 }

    /// Makes sure that the log file holds `bytes` after `used`.
    ///
    /// - Throws: `.diskFull` or `.rolledBack`; nothing was written.
    mutating func ensure(_ bytes: Int, after used: Int) throws(StoreError) {
        let needed = used + bytes
        guard needed > self.laidDown else { return }
        let target = (needed + Self.step - 1) / Self.step * Self.step
        var size = target
        var code = self.disk.allocate(self.logPath, target)
        if Self.isFull(code) {
            size = needed
            code = self.disk.allocate(self.logPath, needed)
        }
        // Where space cannot be laid down, a full disk is met later.
        if code == 0 || Self.isUnsupported(code) {
            self.laidDown = size
        } else if Self.isFull(code) {
            // A failed call may take back what earlier ones laid down and nobody has written to yet: tmpfs does.
            self.laidDown = 0
            throw StoreError(.diskFull, "no space for \(bytes) more bytes of \(self.logPath)", nativeCode: code)
        } else {
            throw StoreError(.rolledBack, "\(self.logPath): \(String(cString: strerror(code)))", nativeCode: code)
        }
    }

    /// - Throws: `.diskFull` if the reserve was given up and there is no room for it yet.
    mutating func requireReserve() throws(StoreError) {
        guard self.reserve == .missing else { return }
        self.replenish()
        guard self.reserve == .missing else { return }
        throw StoreError(
            .diskFull,
            "the disk is full: nothing is taken in before \(self.reservePath) finds its \(Self.reserveBytes) bytes")
    }

    /// Frees the reserve's space. Returns whether there was one.
    mutating func giveUpReserve() -> Bool {
        self.reserve = .missing
        return unlink(self.reservePath) == 0
    }

    /// Lays the reserve down if it is not there and there is room for it twice.
    mutating func replenish() {
        guard self.reserve == .missing else { return }
        var status = stat()
        if stat(self.reservePath, &status) == 0, status.st_size >= Self.reserveBytes {
            self.reserve = .laid
            return
        }
        guard self.disk.available(self.reservePath) >= 2 * UInt64(Self.reserveBytes) else { return }
        let code = self.disk.allocate(self.reservePath, Self.reserveBytes)
        if code == 0 {
            self.reserve = .laid
        } else {
            unlink(self.reservePath)
            if Self.isUnsupported(code) { self.reserve = .impossible }
        }
    }

    private static func isFull(_ code: Int32) -> Bool { code == ENOSPC || code == EDQUOT || code == EFBIG }

    private static func isUnsupported(_ code: Int32) -> Bool { code == EOPNOTSUPP || code == EINVAL }
}

/// How space on a disk is set aside. Only tests use another than ``system``.
package struct DiskAllocator: Sendable {
    /// Makes sure that a file, made if need be, has this many bytes of space. Returns an error number or 0.
    package let allocate: @Sendable (_ path: String, _ bytes: Int) -> Int32
    /// Free bytes of the file system that a file is on.
    package let available: @Sendable (_ path: String) -> UInt64

    package init(
        allocate: @escaping @Sendable (_ path: String, _ bytes: Int) -> Int32,
        available: @escaping @Sendable (_ path: String) -> UInt64
    ) {
        self.allocate = allocate
        self.available = available
    }

    package static let system = DiskAllocator(
        allocate: { path, bytes in
            let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
            guard descriptor >= 0 else { return errno }
            defer { close(descriptor) }
            return posix_fallocate(descriptor, 0, off_t(bytes))
        },
        available: { path in
            var space = statvfs()
            guard statvfs(path.parentFolder, &space) == 0 else { return 0 }
            return UInt64(space.f_bavail) * UInt64(space.f_frsize)
        })
}

extension String {
    fileprivate var parentFolder: String {
        guard let slash = self.lastIndex(of: "/") else { return "." }
        return slash == self.startIndex ? "/" : String(self[..<slash])
    }
}
