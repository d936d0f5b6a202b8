import MartletCore

/// Options as bytes: a byte of flags, then what it announces, little-endian. Nothing for standard options; the
/// priority is the lane's.
extension JobOptions {
    private static let hasTimeout: UInt8 = 1
    private static let hasRetry: UInt8 = 2
    private static let hasRare: UInt8 = 4

    var stored: [UInt8]? {
        guard !self.isBare else { return nil }
        var bytes: [UInt8] = [0]
        if let timeout {
            bytes[0] |= Self.hasTimeout
            bytes.append(timeout.wholeMicroseconds)
        }
        if let retry {
            bytes[0] |= Self.hasRetry
            bytes.append(Int64(retry.maxAttempts))
            bytes.append(retry.initialBackoff.wholeMicroseconds)
            bytes.append(retry.maxBackoff.wholeMicroseconds)
            bytes.append(Int64(bitPattern: retry.jitter.bitPattern))
        }
        if let rare = self.rareOptions {
            bytes[0] |= Self.hasRare
            bytes += rare.encoded
        }
        return bytes
    }

    /// Reads what ``stored`` wrote; what makes no sense is taken as standard.
    init(stored bytes: UnsafeRawBufferPointer, priority: Priority) {
        var place = 1
        func next() -> Int64? {
            guard place + 8 <= bytes.count else { return nil }
            defer { place += 8 }
            return Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: Int64.self))
        }
        let flags = bytes.first ?? 0
        var timeout: Duration?
        var retry: RetryPolicy?
        if flags & Self.hasTimeout != 0 { timeout = next().map { .microseconds($0) } }
        if flags & Self.hasRetry != 0, let attempts = next(), let initial = next(), let most = next(),
            let jitter = next()
        {
            retry = RetryPolicy(stored: attempts, initial, most, jitter)
        }
        let hasRare = flags & Self.hasRare != 0 && place <= bytes.count
        let rare = hasRare ? Rare(encoded: UnsafeRawBufferPointer(rebasing: bytes[place...])) : nil
        self.init(priority: priority, timeout: timeout, retry: retry, rare: rare)
    }
}

extension RetryPolicy {
    fileprivate init?(stored attempts: Int64, _ initial: Int64, _ most: Int64, _ jitter: Int64) {
        let share = Double(bitPattern: UInt64(bitPattern: jitter))
        let (first, last) = (Duration.microseconds(initial), Duration.microseconds(most))
        guard
            RetryPolicy.problem(maxAttempts: Int(attempts), initialBackoff: first, maxBackoff: last, jitter: share)
                == nil
        else { return nil }
        self.init(maxAttempts: Int(attempts), initialBackoff: first, maxBackoff: last, jitter: share)
    }
}

extension [UInt8] {
    fileprivate mutating func append(_ value: Int64) {
        Swift.withUnsafeBytes(of: value.littleEndian) { self.append(contentsOf: $0) }
    }
}
