/// Where something is in a distributed trace, as W3C's Trace Context (level 1, 2021) writes it in `traceparent`.
///
/// ``TracePropagation`` carries it from whoever submits a job to the job's handler. Hand it on to your tracing library,
/// or send ``traceparent`` as the header of that name.
public struct TraceContext: Hashable, Sendable {
    /// That of the job that runs in this task, or of the request that your code serves if you set it.
    @TaskLocal public static var current: TraceContext?

    /// 32 hexadecimal digits, lower case, not all zero.
    public let traceID: String
    /// 16 hexadecimal digits, lower case, not all zero.
    public let spanID: String
    /// Whether whoever began the trace records it.
    public let isSampled: Bool
    /// The `tracestate` header, handed on as it is.
    public let state: String?

    /// The longest `tracestate` that is handed on; the specification asks for 512 at least.
    public static let stateBytesMax = 512

    /// Reads a `traceparent` header. Nil if it is none.
    ///
    /// - Parameter state: the `tracestate` header beside it; left out if it is over ``stateBytesMax``.
    public init?(traceparent: String, state: String? = nil) {
        let parts = traceparent.split(separator: "-", omittingEmptySubsequences: false).map(String.init)
        guard parts.count >= 4, Self.isHex(parts[0], count: 2), parts[0] != "ff", parts[0] != "00" || parts.count == 4,
            Self.isHex(parts[1], count: 32), Self.isHex(parts[2], count: 16), Self.isHex(parts[3], count: 2),
            !parts[1].allSatisfy({ $0 == "0" }), !parts[2].allSatisfy({ $0 == "0" }),
            let flags = UInt8(parts[3], radix: 16)
        else { return nil }
        self.init(traceID: parts[1], spanID: parts[2], isSampled: flags & 1 == 1, state: state)
    }

    private init(traceID: String, spanID: String, isSampled: Bool, state: String?) {
        self.traceID = traceID
        self.spanID = spanID
        self.isSampled = isSampled
        self.state = state.flatMap { $0.isEmpty || $0.utf8.count > Self.stateBytesMax ? nil : $0 }
    }

    /// Begins a trace.
    ///
    /// - Parameter random: 64 random bits at each call.
    public static func begin(
        isSampled: Bool = true, random: () -> UInt64 = { UInt64.random(in: 1 ... .max) }
    ) -> TraceContext {
        TraceContext(
            traceID: Self.hex(random()) + Self.hex(random() | 1), spanID: Self.hex(random() | 1),
            isSampled: isSampled, state: nil)
    }

    /// A span below this one.
    ///
    /// - Parameter random: 64 random bits.
    public func child(random: () -> UInt64 = { UInt64.random(in: 1 ... .max) }) -> TraceContext {
        TraceContext(
            traceID: self.traceID, spanID: Self.hex(random() | 1), isSampled: self.isSampled, state: self.state)
    }

    /// The header's value.
    public var traceparent: String { "00-\(self.traceID)-\(self.spanID)-\(self.isSampled ? "01" : "00")" }

    private static func isHex(_ text: String, count: Int) -> Bool {
        text.utf8.count == count
            && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }

    private static func hex(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
