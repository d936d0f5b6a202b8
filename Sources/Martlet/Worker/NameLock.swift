#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file lock on a worker's name, held as long as this value lives.
///
/// Who holds it knows that no other process of this machine runs under that name any more: the system lets go of it
/// when a process ends, however it ends.
struct NameLock: ~Copyable {
    /// The same for all who ever held this lock: it was drawn when the lock's file was made. A file of that name on
    /// another machine has another.
    let id: UInt32
    private let file: Int32

    /// - Parameter newID: a random number; becomes the lock's ``id`` if it has none.
    /// - Throws: ``MartletError/Code/nodeNameTaken`` if another worker holds it. Nil if the directory cannot be used,
    ///   which is not worth refusing to work: `problem` says why.
    static func take(
        on name: String, in directory: String?, newID: UInt32, problem: inout String?
    ) throws(MartletError) -> NameLock? {
        let directory = directory ?? Self.defaultDirectory()
        guard mkdir(directory, 0o700) == 0 || errno == EEXIST else {
            problem = "cannot make \(directory): \(Self.lastError())"
            return nil
        }
        var status = stat()
        guard lstat(directory, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid() else {
            problem = "\(directory) is not a directory of this user's"
            return nil
        }
        let path = "\(directory)/\(Self.fileName(of: name))"
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else {
            problem = "cannot open \(path): \(Self.lastError())"
            return nil
        }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            let isTaken = errno == EWOULDBLOCK
            let cause = Self.lastError()
            let holder = Self.holder(file)
            close(file)
            guard isTaken else {
                problem = "cannot lock \(path): \(cause)"
                return nil
            }
            throw MartletError(
                .nodeNameTaken,
                "a worker named \"\(name)\" runs on this machine already\(holder); give each worker its own name")
        }
        let id = Self.words(file).dropFirst().first.flatMap { UInt32($0, radix: 16) } ?? newID
        let text = Array("\(getpid())\n\(String(id, radix: 16))\n".utf8)
        // One call, so that the id survives whatever ends this process; what is left of an older text is cut off.
        guard text.withUnsafeBytes({ pwrite(file, $0.baseAddress, $0.count, 0) }) == text.count,
            ftruncate(file, off_t(text.count)) == 0
        else {
            problem = "cannot write \(path): \(Self.lastError())"
            close(file)
            return nil
        }
        return NameLock(id: id, file: file)
    }

    deinit {
        // The file stays: removing it would let two processes lock two files of one name. Unlocked, because a program
        // that is being started at this moment still has the descriptor.
        _ = flock(self.file, LOCK_UN)
        close(self.file)
    }

    private static func defaultDirectory() -> String {
        if let runtime = getenv("XDG_RUNTIME_DIR"), runtime.pointee != 0 {
            return "\(String(cString: runtime))/martlet"
        }
        return "/tmp/martlet-\(geteuid())"
    }

    /// A name may hold slashes, a file name may not.
    private static func fileName(of name: String) -> String {
        name.replacing("/", with: "%2F") + ".lock"
    }

    private static func holder(_ file: Int32) -> String {
        Self.words(file).first.flatMap { Int32($0) }.map { " as process \($0)" } ?? ""
    }

    /// What the lock's file says: the holder's process number and the lock's id.
    private static func words(_ file: Int32) -> [Substring] {
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = buffer.withUnsafeMutableBytes { pread(file, $0.baseAddress, $0.count, 0) }
        return String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self).split(separator: "\n")
    }

    private static func lastError() -> String { String(cString: strerror(errno)) }
}
