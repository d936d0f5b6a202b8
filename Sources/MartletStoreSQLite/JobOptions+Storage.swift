import MartletCore

/// Options as bytes: a byte of flags, then what it announces, little-endian. Nothing for standard options; the
/// priority is the lane's.
extension JobOptions {
    private static let hasTimeout: UInt8 = 1
    private static let hasRetry: UInt8 = 2
    private static let hasRare: UInt8 = 4

    /// Whether nothing of them needs to be stored with the job.
    var isBare: Bool { self.timeout == nil && self.retry == nil && self.rareOptions == nil }

    var stored: [UInt8]? {
        guard !self.isBare else { return nil }
        var bytes = OptionBytes()
        bytes.append(
            (self.timeout == nil ? 0 : Self.hasTimeout) | (self.retry == nil ? 0 : Self.hasRetry)
                | (self.rareOptions == nil ? 0 : Self.hasRare))
        if let timeout { bytes.append(timeout.wholeMicroseconds) }
        if let retry {
            bytes.append(Int64(retry.maxAttempts))
            bytes.append(retry.initialBackoff.wholeMicroseconds)
            bytes.append(retry.maxBackoff.wholeMicroseconds)
            bytes.append(Int64(bitPattern: retry.jitter.bitPattern))
        }
        if let rare = self.rareOptions { rare.store(in: &bytes) }
        return bytes.all
    }

    /// Reads what ``stored`` wrote; what makes no sense is taken as standard.
    init(stored bytes: UnsafeRawBufferPointer, priority: Priority) {
        self.init(priority: priority)
        var reader = OptionReader(bytes)
        guard let flags: UInt8 = reader.next() else { return }
        if flags & Self.hasTimeout != 0, let microseconds: Int64 = reader.next() {
            self.timeout = .microseconds(microseconds)
        }
        if flags & Self.hasRetry != 0 { self.retry = RetryPolicy(stored: &reader) }
        if flags & Self.hasRare != 0 { self.rareOptions = Rare(stored: &reader) }
    }
}

extension RetryPolicy {
    fileprivate init?(stored reader: inout OptionReader) {
        guard let attempts: Int64 = reader.next(), let initial: Int64 = reader.next(), let most: Int64 = reader.next(),
            let jitter: Int64 = reader.next()
        else { return nil }
        let share = Double(bitPattern: UInt64(bitPattern: jitter))
        let (first, last) = (Duration.microseconds(initial), Duration.microseconds(most))
        guard
            RetryPolicy.problem(maxAttempts: Int(attempts), initialBackoff: first, maxBackoff: last, jitter: share)
                == nil
        else { return nil }
        self.init(maxAttempts: Int(attempts), initialBackoff: first, maxBackoff: last, jitter: share)
    }
}

/// Each field behind a byte that names it, so that a later version may add some.
extension JobOptions.Rare {
    private enum Field: UInt8 {
        case end, expiry, unique, group, key, ordered, retention, tag, metadata, batch
    }

    fileprivate func store(in bytes: inout OptionBytes) {
        func field(_ field: Field) { bytes.append(field.rawValue) }
        if let expiry {
            field(.expiry)
            bytes.append(expiry.wholeMicroseconds)
        }
        if let unique {
            field(.unique)
            bytes.append(unique.scope.rawValue)
            bytes.append(unique.conflict.rawValue)
            if case .afterSuccess(let window) = unique.window {
                bytes.append(window.wholeMicroseconds)
            } else {
                bytes.append(0 as Int64)
            }
            bytes.append(unique.key)
        }
        if let group {
            field(.group)
            bytes.append(group)
        }
        if let key {
            field(.key)
            bytes.append(key)
        }
        if self.isOrdered { field(.ordered) }
        if let retention {
            field(.retention)
            bytes.append(retention.wholeMicroseconds)
        }
        for tag in self.tags {
            field(.tag)
            bytes.append(tag)
        }
        for (name, value) in self.metadata.sorted(by: { $0.key < $1.key }) {
            field(.metadata)
            bytes.append(name)
            bytes.append(value)
        }
        if let batch {
            field(.batch)
            bytes.append(Int64(bitPattern: batch.rawValue))
        }
        field(.end)
    }

    /// Stops at the first field that it does not know.
    fileprivate init(stored reader: inout OptionReader) {
        self.init()
        while let number: UInt8 = reader.next(), let field = Field(rawValue: number), field != .end {
            switch field {
            case .end: return
            case .expiry: self.expiry = reader.nextDuration()
            case .unique: self.unique = UniqueKey(stored: &reader)
            case .group: self.group = reader.nextText()
            case .key: self.key = reader.nextText()
            case .ordered: self.isOrdered = true
            case .retention: self.retention = reader.nextDuration()
            case .tag: if let tag = reader.nextText() { self.tags.append(tag) }
            case .metadata: if let name = reader.nextText() { self.metadata[name] = reader.nextText() }
            case .batch: self.batch = (reader.next() as Int64?).map { BatchID(rawValue: UInt64(bitPattern: $0)) }
            }
        }
    }
}

extension UniqueKey {
    fileprivate init?(stored reader: inout OptionReader) {
        guard let scope = (reader.next() as UInt8?).flatMap({ Scope(rawValue: $0) }),
            let conflict = (reader.next() as UInt8?).flatMap({ Conflict(rawValue: $0) }),
            let window: Int64 = reader.next(), let key = reader.nextText()
        else { return nil }
        self.init(
            key, scope: scope, window: window == 0 ? .whilePending : .afterSuccess(.microseconds(window)),
            conflict: conflict)
    }
}

private struct OptionBytes {
    private(set) var all: [UInt8] = []

    mutating func append(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { self.all.append(contentsOf: $0) }
    }

    /// Text is bounded where options are checked.
    mutating func append(_ text: String) {
        self.append(UInt16(clamping: text.utf8.count))
        self.all.append(contentsOf: text.utf8.prefix(Int(UInt16.max)))
    }
}

private struct OptionReader {
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
        return String(decoding: self.bytes[self.place..<self.place + Int(length)], as: UTF8.self)
    }
}
