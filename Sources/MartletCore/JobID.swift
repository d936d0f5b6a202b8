/// Names one job in the cluster.
///
/// The top 15 bits below the sign bit hold the shard, the low 48 bits a sequence that grows in commit
/// order. A raw value therefore always fits a signed 64-bit column.
public struct JobID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: UInt64

    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// - Precondition: `shard` is below 32,768 and `sequence` below 2^48.
    package init(shard: UInt16, sequence: UInt64) {
        precondition(shard < 1 << 15 && sequence < 1 << 48, "a job id holds 15 bits of shard and 48 of sequence")
        self.rawValue = UInt64(shard) << 48 | sequence
    }

    package var shard: UInt16 { UInt16(self.rawValue >> 48) }
    package var sequence: UInt64 { self.rawValue & (1 << 48 - 1) }

    /// The id `offset` places later in the same shard.
    package func advanced(by offset: Int) -> JobID {
        JobID(rawValue: self.rawValue + UInt64(offset))
    }

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

    public var description: String { String(self.rawValue) }
}
