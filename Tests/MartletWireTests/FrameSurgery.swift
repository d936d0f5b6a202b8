import MartletCore

/// A frame taken apart, to be put together again otherwise.
struct FrameParts {
    var header: [UInt8]
    var records: [[UInt8]]

    /// - Precondition: `frame` is a valid frame.
    init(_ frame: Bytes) {
        let bytes = frame.array
        self.header = Array(bytes[0..<12])
        self.records = []
        var position = 12
        while position < bytes.count {
            let length = (0..<4).reduce(0) { $0 | Int(bytes[position + $1]) << (8 * $1) }
            self.records.append(Array(bytes[position + 4..<position + 4 + length]))
            position += 4 + length
        }
    }

    /// The frame of these parts, with the count of records that there are.
    var frame: Bytes {
        var bytes = Array(self.header[0..<8]) + Self.littleEndian(self.records.count)
        for record in self.records { bytes += Self.littleEndian(record.count) + record }
        return Bytes(copying: bytes)
    }

    /// The offsets of all lengths and counts that the framing itself has: the record count and each record's length.
    static func lengthOffsets(of frame: Bytes) -> [Int] {
        var offsets = [8]
        var position = 12
        for record in FrameParts(frame).records {
            offsets.append(position)
            position += 4 + record.count
        }
        return offsets
    }

    static func littleEndian(_ number: Int) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
    }
}
