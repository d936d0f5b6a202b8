import MartletCore

extension Register {
    /// The most slots, and the most jobs fetched ahead, that a node may have.
    package static let slotsMax: UInt32 = 65_536
    /// The most queues, and the most types, that a node may name.
    package static let namesMax = 1000
    private static let lockBit: UInt8 = 1
    private static let givesBackBit: UInt8 = 2

    package var frameBytesEstimate: Int { 512 + self.inventory.count * 32 }

    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.incarnation)
            $0.write(self.slots)
            $0.write(self.prefetchMax)
            $0.write((self.holdsNameLock ? Self.lockBit : 0) | (self.givesBack ? Self.givesBackBit : 0))
            $0.write(self.lastDelivery)
            $0.write(self.number)
            $0.write(UInt32(self.queues.count))
            $0.write(UInt32(self.types.count))
            $0.write(UInt32(self.inventory.count))
            $0.write(self.name)
        }
        writer.records(self.queues)
        writer.records(self.types)
        writer.records(self.inventory)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.incarnation = try reader.read()
        self.slots = try reader.read()
        self.prefetchMax = try reader.read()
        let bits: UInt8 = try reader.read()
        self.holdsNameLock = bits & Self.lockBit != 0
        self.givesBack = bits & Self.givesBackBit != 0
        self.lastDelivery = try reader.read()
        self.number = try reader.read()
        let queueCount: UInt32 = try reader.read()
        let typeCount: UInt32 = try reader.read()
        let itemCount: UInt32 = try reader.read()
        self.name = try reader.readName("name")
        guard (1...Self.slotsMax).contains(self.slots) else {
            throw FrameReader.outOfBounds("slots", "must be 1 to \(Self.slotsMax)")
        }
        guard self.prefetchMax <= Self.slotsMax else {
            throw FrameReader.outOfBounds("prefetchMax", "must be at most \(Self.slotsMax)")
        }
        self.queues = try reader.list(queueCount, "queues", max: Self.namesMax)
        self.types = try reader.list(typeCount, "types", max: Self.namesMax)
        self.inventory = try reader.list(itemCount, "inventory")
    }

    /// The name of a queue or type that the node serves.
    package struct Name: CheckedRecord {
        package static let bytesMin = 2 + 1

        package let text: String

        package init(text: String) {
            self.text = text
        }

        package func writeFields(to writer: inout FrameWriter) {
            writer.write(self.text)
        }

        package init(record reader: inout FrameReader) throws(WireError) {
            self.text = try reader.readName("queues or types")
        }
    }
}

extension Register.Item: CheckedRecord {
    package static let bytesMin = 8 + 16 + 1

    package func writeFields(to writer: inout FrameWriter) {
        writer.write(self.id)
        writer.write(self.token)
        writer.write(self.phase.rawValue)
    }

    package init(record reader: inout FrameReader) throws(WireError) {
        self.id = try reader.readJobID()
        self.token = try reader.readToken()
        self.phase = try reader.readCase("inventory.phase")
    }
}

extension Registered {
    package var frameBytesEstimate: Int { 128 + self.verdicts.count * 24 }

    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.key)
            $0.write(self.epoch.rawValue)
            $0.write(self.heartbeatInterval)
            $0.write(self.leaseDuration)
            $0.write(UInt32(self.verdicts.count))
            if self.isExtended { $0.write(self.features.rawValue) }
            if let time { $0.write(time.nanoseconds) }
        }
        writer.records(self.verdicts)
    }

    package var isExtended: Bool { !self.features.isEmpty || self.time != nil }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.key = try reader.read()
        self.epoch = Epoch(rawValue: try reader.read())
        self.heartbeatInterval = try reader.readDuration()
        self.leaseDuration = try reader.readDuration()
        let count: UInt32 = try reader.read()
        self.features = PeerFeatures(rawValue: reader.isExtended ? try reader.read() : 0)
        self.time = reader.isExtended && reader.bytesLeft >= 8 ? Instant(nanoseconds: try reader.read()) : nil
        self.verdicts = try reader.records(count, "verdicts")
    }
}

extension Registered.Verdict: FrameRecord {
    static let bytesMin = 1 + 16
    private static let leasedTag: UInt8 = 1
    private static let endedTag: UInt8 = 2

    func writeFields(to writer: inout FrameWriter) {
        switch self {
        case .leased(let token):
            writer.write(Self.leasedTag)
            writer.write(token)
        case .ended:
            writer.write(Self.endedTag)
            writer.write(LeaseToken(epoch: Epoch(rawValue: 0), sequence: 0))
        }
    }

    init(record reader: inout FrameReader) throws(WireError) {
        let tag: UInt8 = try reader.read()
        let token = try reader.readToken()
        switch tag {
        case Self.leasedTag: self = .leased(token)
        case Self.endedTag: self = .ended
        default: throw FrameReader.outOfBounds("verdicts", "has an unknown value")
        }
    }
}

extension Control {
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.key)
            $0.write(self.lastOrder)
        }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.key = try reader.read()
        self.lastOrder = try reader.read()
    }
}

extension Order {
    private static let drainBit: UInt8 = 1
    private static let askBit: UInt8 = 2

    package var isExtended: Bool { self.ask != nil }

    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.number)
            $0.write((self.drain ? Self.drainBit : 0) | (self.ask == nil ? 0 : Self.askBit))
            $0.write(UInt32(self.ended.count))
            guard let ask else { return }
            $0.write(ask.number)
            $0.write(ask.until.nanoseconds)
            $0.write(UInt32(ask.wanted.count))
        }
        writer.records(self.ended)
        writer.records(self.ask?.wanted ?? [])
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.number = try reader.read()
        let bits: UInt8 = try reader.read()
        self.drain = bits & Self.drainBit != 0
        let endedCount: UInt32 = try reader.read()
        guard reader.isExtended, bits & Self.askBit != 0 else {
            self.ended = try reader.records(endedCount, "ended")
            return
        }
        let number: UInt64 = try reader.read()
        let until = Instant(nanoseconds: try reader.read())
        let wantedCount: UInt32 = try reader.read()
        self.ended = try reader.records(endedCount, "ended")
        self.ask = Ask(number: number, until: until, wanted: try reader.records(wantedCount, "wanted"))
    }
}

extension LeaseToken: FrameRecord {
    static let bytesMin = 16

    func writeFields(to writer: inout FrameWriter) {
        writer.write(self)
    }

    init(record reader: inout FrameReader) throws(WireError) {
        self = try reader.readToken()
    }
}
