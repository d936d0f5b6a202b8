#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Reads a file line by line in little memory. Blocks.
final class LineReader {
    /// Longer lines are an error.
    static let lineBytesMax = 8 << 20
    private static let chunkBytes = 256 * 1024

    private let descriptor: CInt
    private let name: String
    /// Size of the file; nil for a pipe or terminal.
    let total: Int?
    private var buffer: [UInt8] = []
    private var position = 0
    private var isAtEnd = false
    /// Bytes handed out, line ends included.
    private(set) var progress = 0
    /// Number of the last line, from 1.
    private(set) var lineNumber = 0

    /// - Parameter path: `-` for standard input.
    init(path: String) throws(CommandError) {
        self.name = path == "-" ? "standard input" : path
        self.descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
        guard self.descriptor >= 0 else { throw Self.unreadable(path, errno) }
        var status = stat()
        guard fstat(self.descriptor, &status) == 0 else { throw Self.unreadable(path, errno) }
        switch status.st_mode & S_IFMT {
        case S_IFREG: self.total = Int(status.st_size)
        case S_IFDIR: throw Self.unreadable(path, EISDIR)
        default: self.total = nil
        }
    }

    deinit {
        if self.descriptor != STDIN_FILENO { close(self.descriptor) }
    }

    /// The next line without its end, or nil at the end of the file.
    func next() throws(CommandError) -> [UInt8]? {
        var searched = self.position
        while true {
            if let end = self.buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                return self.take(upTo: end, next: end + 1)
            }
            searched = self.buffer.count
            if self.isAtEnd {
                if self.position == self.buffer.count { return nil }
                return self.take(upTo: self.buffer.count, next: self.buffer.count)
            }
            if self.buffer.count - self.position > Self.lineBytesMax {
                throw CommandError(
                    .badInput, "\(self.name):\(self.lineNumber + 1): the line is longer than 8 MiB",
                    fix: "write one job a line")
            }
            searched -= self.position
            try self.fill()
            searched += self.position
        }
    }

    private func take(upTo end: Int, next: Int) -> [UInt8] {
        var line = self.buffer[self.position..<end]
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        self.progress += next - self.position
        self.position = next
        self.lineNumber += 1
        return Array(line)
    }

    /// Drops what was handed out and reads on.
    private func fill() throws(CommandError) {
        self.buffer.removeFirst(self.position)
        self.position = 0
        let chunk = [UInt8](unsafeUninitializedCapacity: Self.chunkBytes) { space, filled in
            var count = 0
            repeat {
                count = read(self.descriptor, space.baseAddress, Self.chunkBytes)
            } while count < 0 && errno == EINTR
            filled = max(0, count)
            self.isAtEnd = count <= 0
        }
        // An error reads as the end; the next check tells them apart.
        if self.isAtEnd, self.total.map({ self.progress + self.buffer.count < $0 }) == true {
            throw CommandError(.noInput, "\(self.name) ended early", fix: "check that nothing else writes to it")
        }
        self.buffer.append(contentsOf: chunk)
    }

    private static func unreadable(_ path: String, _ code: CInt) -> CommandError {
        let reason =
            switch code {
            case ENOENT: "no such file"
            case EACCES: "permission denied"
            case EISDIR: "it is a folder"
            default: String(cString: strerror(code)).lowercased()
            }
        return CommandError(.noInput, "cannot read \(path): \(reason)", fix: "check the name after --from")
    }
}
