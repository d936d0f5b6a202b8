import MartletCore

/// A program to run for one job.
struct ChildRequest: Sendable {
    /// Program and arguments.
    let command: [String]
    /// `NAME=VALUE`, all of them.
    let environment: [String]
    /// What it reads on standard input.
    let input: Bytes
    /// What it writes to standard output is wanted whole.
    var keepsOutput = false
}

/// How a child ended.
struct ChildOutcome: Hashable, Sendable {
    enum Ending: Hashable, Sendable {
        case exited(Int32)
        case signalled(Int32)
        /// It could not be started; why.
        case notStarted(String)
    }

    let ending: Ending
    /// The last of what it wrote to standard error, at most ``errorBytesMax`` bytes.
    let errorTail: String
    /// The last of what it wrote to both, in the order in which it was read; at most ``logBytesMax`` bytes.
    var log: [UInt8] = []
    /// What it wrote to standard output, if that was wanted and is not longer than ``outputBytesMax``.
    var output: [UInt8]?

    static let errorBytesMax = 2048
    static let logBytesMax = 16 * 1024
    static let outputBytesMax = 1 << 20
}

/// The end of a byte stream: everything before the last `bytesMax` bytes is forgotten.
struct TailBuffer: Sendable {
    private let bytesMax: Int
    private var bytes: [UInt8] = []

    init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    mutating func append(_ chunk: some Collection<UInt8>) {
        self.bytes.append(contentsOf: chunk.suffix(self.bytesMax))
        // Trimmed late, so that a byte is moved at most twice.
        if self.bytes.count > 2 * self.bytesMax { self.bytes.removeFirst(self.bytes.count - self.bytesMax) }
    }

    var last: [UInt8] { Array(self.bytes.suffix(self.bytesMax)) }

    /// Whole characters only, without white space around them.
    var text: String {
        var tail = self.bytes.suffix(self.bytesMax)
        if tail.count < self.bytes.count {
            // What was cut may begin inside a character.
            while let first = tail.first, first & 0xC0 == 0x80 { tail = tail.dropFirst() }
        }
        let text = Substring(String(decoding: tail, as: UTF8.self))
        let head = text.drop { $0.isWhitespace }
        return String(head.reversed().drop { $0.isWhitespace }.reversed())
    }
}
