package import MartletCore

/// Builds one frame in a buffer that grows, and gives it away as ``MartletCore/Bytes`` without a copy.
@usableFromInline
package struct FrameWriter: ~Copyable {
    private var base: UnsafeMutableRawPointer
    private var capacity: Int
    private var count: Int
    private var recordCount: UInt32
    /// Whether the frame has the fields that version 0.1.0 does not know.
    let isExtended: Bool

    /// - Parameter bytesEstimate: how long the frame will be, to reserve it at once. May be wrong.
    package init(_ kind: FrameKind, bytesEstimate: Int = 256, isExtended: Bool = false) {
        self.capacity = max(bytesEstimate, 64)
        self.base = .allocate(byteCount: self.capacity, alignment: 16)
        self.count = 0
        self.recordCount = 0
        self.isExtended = isExtended
        self.write(FrameHeader.magic)
        self.write(FrameHeader.version)
        self.write(kind.rawValue)
        self.write(isExtended ? FrameHeader.extendedFlag : 0)
        self.write(0 as UInt32)
    }

    deinit {
        self.base.deallocate()
    }

    /// Ends the frame.
    package consuming func finish() -> Bytes {
        self.store(self.recordCount, at: FrameHeader.bytesCount - 4)
        let block = HeapBlock(adopting: self.base, count: self.count)
        discard self
        return Bytes(block)
    }

    /// Writes one record: whatever `fields` writes, behind its length.
    @inline(__always)
    package mutating func record(_ fields: (inout FrameWriter) -> Void) {
        self.write(0 as UInt32)
        let start = self.count
        fields(&self)
        self.store(UInt32(self.count - start), at: start - FrameHeader.recordPrefixBytesCount)
        self.recordCount += 1
    }

    /// Writes fields behind a u32 length of their own, inside of a record.
    mutating func nested(_ fields: (inout FrameWriter) -> Void) {
        self.write(0 as UInt32)
        let start = self.count
        fields(&self)
        self.store(UInt32(self.count - start), at: start - 4)
    }

    /// Writes one record for each element.
    @inline(__always)
    mutating func records<Element: FrameRecord>(_ elements: [Element]) {
        for element in elements {
            self.record { element.writeFields(to: &$0) }
        }
    }

    @inline(__always)
    package mutating func write<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number) {
        self.reserve(MemoryLayout<Number>.size)
        self.store(number, at: self.count)
        self.count += MemoryLayout<Number>.size
    }

    package mutating func write(_ number: Double) {
        self.write(number.bitPattern)
    }

    /// Bytes behind a u32 length.
    @inline(__always)
    package mutating func write(_ bytes: Bytes) {
        let length = bytes.count
        self.reserve(4 + length)
        self.store(UInt32(length), at: self.count)
        let target = self.base + (self.count + 4)
        bytes.withUnsafeBytes { source in
            if let start = source.baseAddress { target.copyMemory(from: start, byteCount: length) }
        }
        self.count += 4 + length
    }

    /// Text behind a u16 length; cut at a character to the 65,535 bytes that this can say.
    package mutating func write(_ text: String) {
        var text = text
        text.withUTF8 { utf8 in
            let length = Self.lengthToKeep(of: utf8, bytesMax: Int(UInt16.max))
            self.reserve(2 + length)
            self.store(UInt16(length), at: self.count)
            if let start = utf8.baseAddress {
                (self.base + (self.count + 2)).copyMemory(from: start, byteCount: length)
            }
            self.count += 2 + length
        }
    }

    /// In nanoseconds, clamped to 64 bits.
    package mutating func write(_ duration: Duration) {
        self.write(duration.wholeNanoseconds)
    }

    package mutating func write(_ time: WallTime) {
        self.write(time.microseconds)
    }

    package mutating func write(_ id: JobID) {
        self.write(id.rawValue)
    }

    package mutating func write(_ token: LeaseToken) {
        self.write(token.epoch.rawValue)
        self.write(token.sequence)
    }

    /// How many bytes of `utf8` fit into `bytesMax` without cutting a character's bytes apart.
    static func lengthToKeep(of utf8: UnsafeBufferPointer<UInt8>, bytesMax: Int) -> Int {
        guard utf8.count > bytesMax else { return utf8.count }
        var length = bytesMax
        while length > 0, utf8[length] & 0xC0 == 0x80 { length -= 1 }
        return length
    }

    @inline(__always)
    private mutating func reserve(_ more: Int) {
        if self.capacity - self.count < more { self.grow(by: more) }
    }

    @inline(never)
    private mutating func grow(by more: Int) {
        let wider = max(self.capacity * 2, self.count + more)
        let memory = UnsafeMutableRawPointer.allocate(byteCount: wider, alignment: 16)
        memory.copyMemory(from: self.base, byteCount: self.count)
        self.base.deallocate()
        self.base = memory
        self.capacity = wider
    }

    @inline(__always)
    private func store<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number, at offset: Int) {
        (self.base + offset).storeBytes(of: number.littleEndian, as: Number.self)
    }
}
