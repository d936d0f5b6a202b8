import Glibc
import MartletStore

/// Keeps a second coordinator from the same store. Ends with the process, however that ends.
final class StoreLock: Sendable {
    private let descriptor: Int32

    /// - Throws: `.locked`, naming the process that has it; `.failed`.
    init(path: String) throws(StoreError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw StoreError(.failed, "\(path): \(String(cString: strerror(errno)))", nativeCode: errno)
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            let holder = Self.holder(descriptor)
            close(descriptor)
            guard code == EWOULDBLOCK else {
                throw StoreError(.failed, "\(path): \(String(cString: strerror(code)))", nativeCode: code)
            }
            throw StoreError(.locked, "another coordinator has this store open\(holder)")
        }
        // The name of the holder helps people; the lock holds without it.
        _ = ftruncate(descriptor, 0)
        let text = "\(getpid())\n"
        _ = text.withCString { pwrite(descriptor, $0, strlen($0), 0) }
        self.descriptor = descriptor
    }

    private static func holder(_ descriptor: Int32) -> String {
        var buffer = [UInt8](repeating: 0, count: 32)
        let count = pread(descriptor, &buffer, buffer.count, 0)
        let digits = buffer.prefix(max(count, 0)).prefix { (48...57).contains($0) }
        return digits.isEmpty ? "" : " (process \(String(decoding: digits, as: UTF8.self)))"
    }

    deinit {
        // Not unlinked: whoever waits for this file would hold a lock on nothing. Unlocked, because a program that is
        // being started at this moment still has the descriptor.
        _ = flock(self.descriptor, LOCK_UN)
        close(self.descriptor)
    }
}
