package import MartletCore

/// The bytes of a raw job. Copies share the memory.
public struct Payload: Hashable, Sendable {
    package let bytes: Bytes

    package init(_ bytes: Bytes) {
        self.bytes = bytes
    }

    /// No bytes.
    public static let empty = Payload(Bytes.empty)

    /// Copies `bytes`.
    public init(copying bytes: some Collection<UInt8>) {
        self.init(Bytes(copying: bytes))
    }

    /// Copies `bytes`.
    public init(copying bytes: UnsafeRawBufferPointer) {
        self.init(Bytes(copying: bytes))
    }

    /// The UTF-8 of `text`.
    public init(_ text: String) {
        self.init(copying: text.utf8)
    }

    public var count: Int { self.bytes.count }
    public var isEmpty: Bool { self.bytes.isEmpty }

    /// A copy.
    public var array: [UInt8] { self.bytes.array }

    /// The payload as text, or nil if it is not UTF-8.
    public var text: String? {
        self.bytes.withUnsafeBytes { String(validating: $0.assumingMemoryBound(to: UInt8.self), as: UTF8.self) }
    }

    /// Reads the bytes in place. The pointer must not outlive `body`.
    public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try self.bytes.withUnsafeBytes(body)
    }
}

/// A job whose payload is bytes of your own making: for speed, or because another language reads it.
public struct RawJob: Hashable, Sendable {
    /// As ``Job/type``.
    public var type: String
    /// As ``Job/queue``.
    public var queue: String
    public var payload: Payload
    /// How long to wait before it may run; nil for not at all.
    public var delay: Duration?
    /// When it may run, instead of a delay.
    public var time: WallTime?
    public var options: JobOptions

    public init(
        type: String, queue: String = "default", payload: Payload = .empty, delay: Duration? = nil,
        at time: WallTime? = nil, options: JobOptions = .standard
    ) {
        self.type = type
        self.queue = queue
        self.payload = payload
        self.delay = delay
        self.time = time
        self.options = options
    }
}
