/// Writes values as bytes, little-endian, texts behind a u16 length.
struct OptionWriter {
    private(set) var all: [UInt8] = []

    mutating func append(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { self.all.append(contentsOf: $0) }
    }

    /// Text is bounded where options are checked.
    mutating func append(_ text: String) {
        self.append(UInt16(clamping: text.utf8.count))
        self.all.append(contentsOf: text.utf8.prefix(Int(UInt16.max)))
    }

    mutating func append(_ field: UInt8, _ text: String) {
        self.append(field)
        self.append(text)
    }

    mutating func append(_ field: UInt8, _ duration: Duration) {
        self.append(field)
        self.append(duration.wholeMicroseconds)
    }
}

/// Reads what ``OptionWriter`` wrote; nil for what is cut short.
struct OptionReader {
    private let bytes: UnsafeRawBufferPointer
    private var place = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    mutating func next<Number: FixedWidthInteger & BitwiseCopyable>() -> Number? {
        let size = MemoryLayout<Number>.size
        guard self.place + size <= self.bytes.count else { return nil }
        defer { self.place += size }
        return Number(littleEndian: self.bytes.loadUnaligned(fromByteOffset: self.place, as: Number.self))
    }

    mutating func nextDuration() -> Duration? { (self.next() as Int64?).map { .microseconds($0) } }

    mutating func nextText() -> String? {
        guard let length: UInt16 = self.next(), self.place + Int(length) <= self.bytes.count else { return nil }
        defer { self.place += Int(length) }
        let utf8 = self.bytes[self.place..<self.place + Int(length)]
        return String(validating: utf8, as: UTF8.self)
    }
}
