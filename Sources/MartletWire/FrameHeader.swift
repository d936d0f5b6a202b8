/// The twelve bytes that begin every frame, little-endian: magic u32, version u8, kind u8, flags u16, count of
/// records u32.
package enum FrameHeader {
    /// `MTLT` as bytes on the wire.
    package static let magic: UInt32 = 0x544C_544D
    package static let version: UInt8 = 1
    package static let bytesCount = 12
    /// The flag of frames whose records have fields after those of version 0.1.0; which ones is the kind's.
    package static let extendedFlag: UInt16 = 1
    /// Every record begins with its length, a u32 that does not count itself.
    package static let recordPrefixBytesCount = 4
}

/// One element of a message's list, or a message's first record.
///
/// A record of a later version may be longer: a reader takes the fields that it knows and skips the rest.
protocol FrameRecord {
    /// The least bytes that a record's fields take, its length prefix not counted. Bounds what is reserved for a
    /// count that a frame claims.
    static var bytesMin: Int { get }

    /// Reads the fields of the current record.
    init(record reader: inout FrameReader) throws(WireError)
    func writeFields(to writer: inout FrameWriter)
}
