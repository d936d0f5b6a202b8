import CNNG

/// What a request asks for: its first byte.
enum Operation: UInt8 {
    /// Payloads, each behind a u32 length. Answered, once they are durable, with the first id.
    case submit = 1
    /// Answered with jobs, each an id and a payload, as soon as there are some.
    case fetch = 2
    /// Ids of jobs that are done. Answered once they are durably deleted.
    case report = 3
    /// A count of jobs. Answered once that many are deleted.
    case await = 4
}

/// An nng message with one owner: written or read once from front to back.
struct Message: ~Copyable, @unchecked Sendable {
    let raw: OpaquePointer
    private var position = 0

    init(adopting raw: OpaquePointer) {
        self.raw = raw
    }

    init(count: Int) {
        var raw: OpaquePointer?
        check(nng_msg_alloc(&raw, count), "nng_msg_alloc")
        self.raw = raw!
    }

    deinit {
        nng_msg_free(self.raw)
    }

    consuming func relinquish() -> OpaquePointer {
        let raw = self.raw
        discard self
        return raw
    }

    var count: Int { nng_msg_len(self.raw) }
    var isAtEnd: Bool { self.position >= self.count }

    private var base: UnsafeMutableRawPointer { nng_msg_body(self.raw)! }

    mutating func write<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number) {
        precondition(self.position + MemoryLayout<Number>.size <= self.count, "a field lies inside its message")
        (self.base + self.position).storeBytes(of: number, as: Number.self)
        self.position += MemoryLayout<Number>.size
    }

    mutating func write(_ bytes: UnsafeRawBufferPointer) {
        precondition(self.position + bytes.count <= self.count, "a field lies inside its message")
        (self.base + self.position).copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
        self.position += bytes.count
    }

    mutating func read<Number: FixedWidthInteger & BitwiseCopyable>(_: Number.Type = Number.self) -> Number {
        precondition(self.position + MemoryLayout<Number>.size <= self.count, "a field lies inside its message")
        defer { self.position += MemoryLayout<Number>.size }
        return (self.base + self.position).loadUnaligned(as: Number.self)
    }

    /// The next `count` bytes, valid as long as the message.
    mutating func read(count: Int) -> UnsafeRawBufferPointer {
        precondition(self.position + count <= self.count, "a field lies inside its message")
        defer { self.position += count }
        return UnsafeRawBufferPointer(start: self.base + self.position, count: count)
    }

    mutating func rewind() {
        self.position = 0
    }
}

func check(_ result: Int32, _ call: String) {
    precondition(result == 0, "\(call): \(String(cString: nng_strerror(result)))")
}
