package import MartletCore

/// Reads one frame in place. Slices that it gives out share the frame's memory.
///
/// Every length and count is checked against the bytes that are there before it is used, so that no frame, however
/// it was made, can be read out of its bounds or make the reader reserve more than its own size warrants.
@usableFromInline
package struct FrameReader {
    package let kind: FrameKind
    /// Records have their later fields.
    package let isExtended: Bool
    let frame: Bytes
    /// Valid as long as `frame` is held; ``reading(_:_:)`` sees to it.
    private let base: UnsafeRawPointer
    private let end: Int
    private var position: Int
    private(set) var recordEnd: Int
    private var recordsLeft: UInt32

    /// Reads the header of `frame` and lets `body` read the records.
    ///
    /// - Throws: `.malformed`, `.unknownVersion`, `.unknownKind`, or what `body` throws.
    package static func reading<Result>(
        _ frame: Bytes, _ body: (inout FrameReader) throws(WireError) -> Result
    ) throws(WireError) -> Result {
        defer { withExtendedLifetime(frame) {} }
        var reader = try FrameReader(frame)
        let result = try body(&reader)
        try reader.finish()
        return result
    }

    private init(_ frame: Bytes) throws(WireError) {
        guard frame.count >= FrameHeader.bytesCount else {
            throw WireError(.malformed, "a frame has at least \(FrameHeader.bytesCount) bytes")
        }
        self.frame = frame
        self.base = frame.withUnsafeBytes { $0.baseAddress! }
        self.end = frame.count
        self.position = FrameHeader.bytesCount
        self.recordEnd = FrameHeader.bytesCount
        func load<Number: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, _: Number.Type) -> Number {
            Number(littleEndian: frame.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Number.self) })
        }
        guard load(0, UInt32.self) == FrameHeader.magic else {
            throw WireError(.malformed, "the frame does not begin with MTLT")
        }
        let version = load(4, UInt8.self)
        guard version == FrameHeader.version else {
            throw WireError(.unknownVersion, "protocol version \(version) is not known, \(FrameHeader.version) is")
        }
        let rawKind = load(5, UInt8.self)
        guard let kind = FrameKind(rawValue: rawKind) else {
            throw WireError(.unknownKind, "frame kind \(rawKind) is not known")
        }
        self.kind = kind
        self.isExtended = load(6, UInt16.self) & FrameHeader.extendedFlag != 0
        self.recordsLeft = load(8, UInt32.self)
    }

    /// A reader of records that were checked before.
    @usableFromInline
    init(_ records: CheckedRecords) {
        self.kind = records.kind
        self.isExtended = records.isExtended
        self.frame = records.bytes
        self.base = records.bytes.withUnsafeBytes { $0.baseAddress! }
        self.end = records.bytes.count
        self.position = 0
        self.recordEnd = 0
        self.recordsLeft = records.count
    }

    /// Keeps the frame's memory up to here, whoever else lets go of it.
    @inline(__always)
    func keepFrame() { withExtendedLifetime(self.frame) {} }

    /// Goes to the next record, past whatever was not read of this one.
    @inline(__always)
    package mutating func nextRecord() throws(WireError) {
        let start = self.recordEnd
        guard self.recordsLeft > 0 else { throw Self.missingRecord() }
        guard self.end - start >= FrameHeader.recordPrefixBytesCount else { throw Self.cutShort() }
        let length = Int(UInt32(littleEndian: (self.base + start).loadUnaligned(as: UInt32.self)))
        let fields = start + FrameHeader.recordPrefixBytesCount
        guard length <= self.end - fields else { throw Self.cutShort() }
        self.recordsLeft -= 1
        self.position = fields
        self.recordEnd = fields + length
    }

    /// Checks that the records that were not asked for, which a later version may have added, fill the frame.
    private mutating func finish() throws(WireError) {
        while self.recordsLeft > 0 { try self.nextRecord() }
        guard self.recordEnd == self.end else {
            throw WireError(.malformed, "bytes follow the frame's last record")
        }
    }

    /// Reads `count` records, after checking that the frame is long enough to hold them.
    @inline(__always)
    mutating func records<Element: FrameRecord>(
        _ count: UInt32, of _: Element.Type = Element.self, _ name: String, max: Int = Int(UInt32.max)
    ) throws(WireError) -> [Element] {
        try self.expect(count, bytesMin: Element.bytesMin, name, max: max)
        var elements: [Element] = []
        elements.reserveCapacity(Int(count))
        for _ in 0..<count {
            try self.nextRecord()
            elements.append(try Element(record: &self))
        }
        return elements
    }

    /// Checks that `count` records of at least `bytesMin` bytes may follow.
    @inline(__always)
    func expect(_ count: UInt32, bytesMin: Int, _ name: String, max: Int) throws(WireError) {
        guard count <= max else { throw Self.outOfBounds(name, "has more than \(max) elements") }
        guard count <= self.recordsLeft else { throw Self.missingRecord() }
        let each = FrameHeader.recordPrefixBytesCount + bytesMin
        guard Int(count) <= (self.end - self.recordEnd) / each else { throw Self.cutShort() }
    }

    /// Reads fields that are behind a u32 length of their own, and passes over what is left of them.
    mutating func nested<Value>(
        _ body: (inout FrameReader) throws(WireError) -> Value
    ) throws(WireError) -> Value {
        let length = Int(try self.read(UInt32.self))
        guard length <= self.recordEnd - self.position else { throw Self.recordTooShort() }
        let (end, outerEnd) = (self.position + length, self.recordEnd)
        self.recordEnd = end
        let value = try body(&self)
        self.position = end
        self.recordEnd = outerEnd
        return value
    }

    // MARK: Fields of the current record

    /// How many bytes of it have not been read.
    var bytesLeft: Int { self.recordEnd - self.position }

    @inline(__always)
    package mutating func read<Number: FixedWidthInteger & BitwiseCopyable>(
        _: Number.Type = Number.self
    ) throws(WireError) -> Number {
        guard self.recordEnd - self.position >= MemoryLayout<Number>.size else { throw Self.recordTooShort() }
        let number = (self.base + self.position).loadUnaligned(as: Number.self)
        self.position += MemoryLayout<Number>.size
        return Number(littleEndian: number)
    }

    package mutating func readDouble() throws(WireError) -> Double {
        Double(bitPattern: try self.read())
    }

    /// Bytes behind a u32 length, sharing the frame's memory.
    @inline(__always)
    package mutating func readBytes() throws(WireError) -> Bytes {
        let range = try self.rangeOfBytes()
        return self.frame[range]
    }

    /// Passes over what ``readBytes()`` would read.
    @inline(__always)
    mutating func skipBytes() throws(WireError) { _ = try self.rangeOfBytes() }

    @inline(__always)
    private mutating func rangeOfBytes() throws(WireError) -> Range<Int> {
        let length = Int(try self.read(UInt32.self))
        let start = self.position
        guard length <= self.recordEnd - start else { throw Self.recordTooShort() }
        self.position = start + length
        return start..<start + length
    }

    /// Bytes behind a u32 length that must be `count`.
    package mutating func readBytes(exactly count: Int, _ name: String) throws(WireError) -> Bytes {
        let bytes = try self.readBytes()
        guard bytes.count == count else { throw Self.outOfBounds(name, "must be \(count) bytes") }
        return bytes
    }

    /// Text behind a u16 length.
    ///
    /// - Parameter bytesMax: longer text is cut at a character.
    package mutating func readText(_ name: String, bytesMax: Int = .max) throws(WireError) -> String {
        let length = Int(try self.read(UInt16.self))
        guard length <= self.recordEnd - self.position else { throw Self.recordTooShort() }
        let utf8 = UnsafeRawBufferPointer(start: self.base + self.position, count: length)
            .assumingMemoryBound(to: UInt8.self)
        self.position += length
        let kept = FrameWriter.lengthToKeep(of: utf8, bytesMax: bytesMax)
        guard let text = String(validating: UnsafeBufferPointer(rebasing: utf8[0..<kept]), as: UTF8.self) else {
            throw Self.outOfBounds(name, "is not UTF-8")
        }
        return text
    }

    /// Text that obeys ``MartletCore/NameRule``.
    package mutating func readName(_ name: String) throws(WireError) -> String {
        let text = try self.readText(name)
        if let problem = NameRule.problem(text) { throw Self.outOfBounds(name, problem) }
        return text
    }

    /// A name, of which nothing is there to check if it is absent.
    package mutating func readName(_ name: String, ifPresent isPresent: Bool) throws(WireError) -> String? {
        guard isPresent else {
            _ = try self.readText(name)
            return nil
        }
        return try self.readName(name)
    }

    @inline(__always)
    package mutating func readDuration() throws(WireError) -> Duration {
        .nanoseconds(try self.read(Int64.self))
    }

    @inline(__always)
    package mutating func readWallTime() throws(WireError) -> WallTime {
        WallTime(microseconds: try self.read())
    }

    @inline(__always)
    package mutating func readJobID() throws(WireError) -> JobID {
        JobID(rawValue: try self.read())
    }

    @inline(__always)
    package mutating func readToken() throws(WireError) -> LeaseToken {
        let epoch = Epoch(rawValue: try self.read())
        return LeaseToken(epoch: epoch, sequence: try self.read())
    }

    /// A number that names a case.
    @inline(__always)
    package mutating func readCase<Value: RawRepresentable>(_ name: String) throws(WireError) -> Value
    where Value.RawValue: FixedWidthInteger & BitwiseCopyable {
        guard let value = Value(rawValue: try self.read()) else { throw Self.outOfBounds(name, "has an unknown value") }
        return value
    }

    // MARK: Errors

    @inline(never)
    static func outOfBounds(_ name: String, _ problem: String) -> WireError {
        WireError(.malformed, "\(name) \(problem)")
    }

    @inline(never)
    private static func missingRecord() -> WireError {
        WireError(.malformed, "the frame has fewer records than it needs")
    }

    @inline(never)
    private static func cutShort() -> WireError {
        WireError(.malformed, "a record goes beyond the end of the frame")
    }

    @inline(never)
    private static func recordTooShort() -> WireError {
        WireError(.malformed, "a field goes beyond the end of its record")
    }
}
