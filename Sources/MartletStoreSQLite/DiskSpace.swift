import Glibc
import MartletStore

/// Lays down space before it is needed, so that a full disk is met before a transaction begins and not in its COMMIT.
///
/// The log file is extended ahead of what a group may write; a reserve file beside the database is given up when
/// essential changes meet a full disk, and laid down again when there is room.
struct DiskSpace {
    static let reserveBytes = 8 << 20
    private static let step = 4 << 20

    private let logPath: String
    private let reservePath: String
    private var laidDown = 0

    init(databasePath: String) {
        self.logPath = databasePath + "-wal"
        self.reservePath = databasePath + "-reserve"
    }

    /// The log file was cut: what was laid down is gone.
    mutating func forget() { self.laidDown = 0 }

    /// Makes sure that the log file has room for `bytes` after `used`.
    ///
    /// - Throws: `.diskFull`; nothing was written.
    mutating func ensure(_ bytes: Int, after used: Int, mayUseReserve: Bool) throws(StoreError) {
        let needed = used + bytes
        guard needed > self.laidDown else { return }
        let target = (needed + Self.step - 1) / Self.step * Self.step
        var code = self.extend(to: target)
        if code == ENOSPC { code = self.extend(to: needed) }
        if code == ENOSPC, mayUseReserve, unlink(self.reservePath) == 0 { code = self.extend(to: needed) }
        switch code {
        case 0: break
        case ENOSPC, EDQUOT, EFBIG:
            throw StoreError(.diskFull, "no space for \(bytes) bytes beside \(self.logPath)", nativeCode: code)
        default: throw StoreError(.rolledBack, "\(self.logPath): \(String(cString: strerror(code)))", nativeCode: code)
        }
    }

    private mutating func extend(to size: Int) -> Int32 {
        let descriptor = open(self.logPath, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { return errno == ENOENT ? 0 : errno }
        defer { close(descriptor) }
        let code = posix_fallocate(descriptor, 0, off_t(size))
        if code == 0 { self.laidDown = size }
        // File systems without it extend as they go; a full disk is then met later.
        return code == EOPNOTSUPP || code == EINVAL ? 0 : code
    }

    /// Lays the reserve down if it is not there and there is room for it twice.
    func replenish() {
        var status = stat()
        if stat(self.reservePath, &status) == 0, status.st_size >= Self.reserveBytes { return }
        var space = statvfs()
        guard statvfs(self.reservePath.parentFolder, &space) == 0,
            UInt64(space.f_bavail) * UInt64(space.f_frsize) > 2 * UInt64(Self.reserveBytes)
        else { return }
        let descriptor = open(self.reservePath, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        if posix_fallocate(descriptor, 0, off_t(Self.reserveBytes)) != 0 { unlink(self.reservePath) }
    }
}

extension String {
    fileprivate var parentFolder: String {
        guard let slash = self.lastIndex(of: "/") else { return "." }
        return slash == self.startIndex ? "/" : String(self[..<slash])
    }
}
