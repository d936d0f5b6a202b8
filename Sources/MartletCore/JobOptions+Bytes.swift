/// Rare options as bytes, for the store and the wire: for each that is set the number of its field, then its value,
/// little-endian, texts behind a u16 length; a zero ends them.
extension JobOptions.Rare {
    private enum Field: UInt8 {
        case end, expiry, unique, group, key, ordered, retention, tag, metadata, batch, services
    }

    fileprivate static let servicesField = Field.services.rawValue

    package var encoded: [UInt8] {
        var bytes = OptionWriter()
        if let expiry { bytes.append(Field.expiry.rawValue, expiry) }
        if let unique {
            bytes.append(Field.unique.rawValue)
            bytes.append(unique.scope.rawValue)
            bytes.append(unique.conflict.rawValue)
            if case .afterSuccess(let window) = unique.window {
                bytes.append(window.wholeMicroseconds)
            } else {
                bytes.append(0 as Int64)
            }
            bytes.append(unique.key)
        }
        if let group { bytes.append(Field.group.rawValue, group) }
        if let key { bytes.append(Field.key.rawValue, key) }
        if self.isOrdered { bytes.append(Field.ordered.rawValue) }
        if let retention { bytes.append(Field.retention.rawValue, retention) }
        for tag in self.tags { bytes.append(Field.tag.rawValue, tag) }
        for (name, value) in self.metadata.sorted(by: { $0.key < $1.key }) {
            bytes.append(Field.metadata.rawValue, name)
            bytes.append(value)
        }
        if let batch {
            bytes.append(Field.batch.rawValue)
            bytes.append(batch.rawValue)
        }
        if let services { bytes.append(services.value) }
        bytes.append(Field.end.rawValue)
        return bytes.all
    }

    /// Reads what ``encoded`` wrote.
    ///
    /// - Parameter keepsLists: false only checks tags and metadata.
    /// - Returns: nil if a field is not known or cut short: an option that is not understood must not be passed over.
    package init?(encoded bytes: UnsafeRawBufferPointer, keepsLists: Bool = true) {
        self.init()
        var reader = OptionReader(bytes)
        var tagsLeft = JobOptions.tagsMax
        var metadataLeft = JobOptions.metadataMax
        while true {
            guard let number: UInt8 = reader.next(), let field = Field(rawValue: number) else { return nil }
            switch field {
            case .end: return
            case .tag:
                guard tagsLeft > 0, let tag = reader.nextText() else { return nil }
                tagsLeft -= 1
                if keepsLists { self.tags.append(tag) }
            case .metadata:
                guard metadataLeft > 0, let name = reader.nextText(), let value = reader.nextText() else { return nil }
                metadataLeft -= 1
                if keepsLists { self.metadata[name] = value }
            default: guard self.read(field, from: &reader) else { return nil }
            }
        }
    }

    private mutating func read(_ field: Field, from reader: inout OptionReader) -> Bool {
        switch field {
        case .end, .tag, .metadata: return true
        case .expiry:
            self.expiry = reader.nextDuration()
            return self.expiry != nil
        case .unique:
            self.unique = UniqueKey(encoded: &reader)
            return self.unique != nil
        case .group:
            self.group = reader.nextText()
            return self.group != nil
        case .key:
            self.key = reader.nextText()
            return self.key != nil
        case .ordered:
            self.isOrdered = true
            return true
        case .retention:
            self.retention = reader.nextDuration()
            return self.retention != nil
        case .batch:
            self.batch = (reader.next() as UInt64?).map { BatchID(rawValue: $0) }
            return self.batch != nil
        case .services:
            self.services = reader.nextServices().map { Boxed($0) }
            return self.services != nil
        }
    }
}

extension UniqueKey {
    fileprivate init?(encoded reader: inout OptionReader) {
        guard let scope = (reader.next() as UInt8?).flatMap({ Scope(rawValue: $0) }),
            let conflict = (reader.next() as UInt8?).flatMap({ Conflict(rawValue: $0) }),
            let window: Int64 = reader.next(), let key = reader.nextText()
        else { return nil }
        self.init(
            key, scope: scope, window: window == 0 ? .whilePending : .afterSuccess(.microseconds(window)),
            conflict: conflict)
    }
}

extension OptionWriter {
    /// Each with its weight and key; an empty text stands for none.
    fileprivate mutating func append(_ services: [ServiceUse]) {
        let services = services.prefix(ServiceUse.usesMax)
        self.append(JobOptions.Rare.servicesField)
        self.append(UInt8(services.count))
        for use in services {
            self.append(UInt32(clamping: use.weight))
            self.append(use.service)
            self.append(use.key ?? "")
        }
    }
}

extension OptionReader {
    /// Nil also if they are more than a job may use: what is checked once is not to grow.
    fileprivate mutating func nextServices() -> [ServiceUse]? {
        guard let count: UInt8 = self.next(), count <= ServiceUse.usesMax else { return nil }
        var services: [ServiceUse] = []
        for _ in 0..<count {
            guard let weight: UInt32 = self.next(), let service = self.nextText(), let key = self.nextText() else {
                return nil
            }
            services.append(ServiceUse(service, key: key.isEmpty ? nil : key, weight: Int(weight)))
        }
        return services
    }
}
