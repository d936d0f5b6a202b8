import MartletCore

extension SetService {
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            switch self.action {
            case .limits: $0.write(1 as UInt8)
            case .reset: $0.write(2 as UInt8)
            case .pause: $0.write(3 as UInt8)
            case .resume: $0.write(4 as UInt8)
            }
            $0.write(self.name)
            $0.write(self.by)
            if case .limits(let limits) = self.action { $0.write(Bytes(copying: limits.encoded)) }
        }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        let action: UInt8 = try reader.read()
        self.name = try reader.readName("name")
        self.by = try reader.readText("by", bytesMax: Self.byBytesMax)
        switch action {
        case 1: self.action = .limits(try reader.readLimits())
        case 2: self.action = .reset
        case 3: self.action = .pause
        case 4: self.action = .resume
        default: throw FrameReader.outOfBounds("action", "has an unknown value")
        }
    }
}

extension ServiceSet {
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.isChanged ? 1 : 0 as UInt8)
            $0.write(self.what)
        }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.isChanged = try reader.read(UInt8.self) & 1 != 0
        self.what = try reader.readText("what")
    }
}

extension ListServices {
    package func encode(into writer: inout FrameWriter) {
        writer.record { $0.write(self.changesMax) }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.changesMax = try reader.read()
    }
}

extension ServiceList {
    package var frameBytesEstimate: Int { 64 + self.services.count * 256 + self.changes.count * 96 }

    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(UInt32(self.services.count))
            $0.write(UInt32(self.changes.count))
        }
        writer.records(self.services)
        writer.records(self.changes)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        let serviceCount: UInt32 = try reader.read()
        let changeCount: UInt32 = try reader.read()
        self.services = try reader.records(serviceCount, "services")
        self.changes = try reader.records(changeCount, "changes")
    }
}

extension ServiceView: FrameRecord {
    static let bytesMin = 2 + 8 + 2 + 4 + 8 * 5 + 1 + 8 + 8 + 2 + 2 + 4

    func writeFields(to writer: inout FrameWriter) {
        writer.write(
            (self.isConfigured ? 1 : 0) | (self.isChanged ? 2 : 0) | (self.isPaused ? 4 : 0)
                | (self.level == nil ? 0 : 8) | (self.closing == nil ? 0 : 16) | (self.opensIn == nil ? 0 : 32)
                | (self.changedAt == nil ? 0 : 64) as UInt8)
        writer.write(self.level ?? 0)
        writer.write(self.rateShare)
        writer.write(self.held)
        writer.write(self.waiting)
        writer.write(self.grants)
        writer.write(self.tokens)
        writer.write(self.waits)
        writer.write(self.rejections)
        writer.write(self.closing?.rawValue ?? 0)
        writer.write(self.opensIn ?? .zero)
        writer.write(self.changedAt?.microseconds ?? 0)
        writer.write(self.name)
        writer.write(self.changedBy)
        writer.write(Bytes(copying: self.limits.encoded))
    }

    init(record reader: inout FrameReader) throws(WireError) {
        let bits: UInt8 = try reader.read()
        let level: UInt64 = try reader.read()
        let rateShare: UInt16 = try reader.read()
        let held: UInt32 = try reader.read()
        let waiting: UInt64 = try reader.read()
        let counts: [UInt64] = [try reader.read(), try reader.read(), try reader.read(), try reader.read()]
        let closing: UInt8 = try reader.read()
        let opensIn = try reader.readDuration()
        let changedAt = try reader.readWallTime()
        let name = try reader.readName("name")
        let changedBy = try reader.readText("changedBy")
        self.init(
            name: name, limits: try reader.readLimits(), isConfigured: bits & 1 != 0, isChanged: bits & 2 != 0,
            isPaused: bits & 4 != 0, level: bits & 8 == 0 ? nil : level, rateShare: rateShare, held: held,
            waiting: waiting, closing: bits & 16 == 0 ? nil : WaitReason(rawValue: closing),
            opensIn: bits & 32 == 0 ? nil : opensIn, changedAt: bits & 64 == 0 ? nil : changedAt,
            changedBy: changedBy)
        (self.grants, self.tokens, self.waits, self.rejections) = (counts[0], counts[1], counts[2], counts[3])
    }
}

extension ServiceChange: FrameRecord {
    static let bytesMin = 8 + 2 + 2 + 2

    func writeFields(to writer: inout FrameWriter) {
        writer.write(self.at)
        writer.write(self.name)
        writer.write(self.by)
        writer.write(self.what)
    }

    init(record reader: inout FrameReader) throws(WireError) {
        let at = try reader.readWallTime()
        self.init(
            name: try reader.readName("name"), at: at, by: try reader.readText("by"),
            what: try reader.readText("what"))
    }
}

extension FrameReader {
    fileprivate mutating func readLimits() throws(WireError) -> ServiceLimits {
        let bytes = try self.readBytes()
        guard let limits = bytes.withUnsafeBytes({ ServiceLimits(encoded: $0) }) else {
            throw Self.outOfBounds("limits", "are cut short or make no sense")
        }
        return limits
    }
}

extension ExplainJob {
    package func encode(into writer: inout FrameWriter) {
        writer.record { $0.write(self.id) }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.id = try reader.readJobID()
    }
}

extension JobExplanation {
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.state.rawValue)
            $0.write(self.reason.rawValue)
            $0.write((self.since == nil ? 0 : 1) | (self.startsIn == nil ? 0 : 2) as UInt8)
            $0.write(self.since?.microseconds ?? 0)
            $0.write(self.startsIn ?? .zero)
            $0.write(self.ahead)
            $0.write(self.missing)
            $0.write(self.subject)
        }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.state = try reader.readCase("state")
        self.reason = try reader.readCase("reason")
        let bits: UInt8 = try reader.read()
        let since = try reader.readWallTime()
        self.since = bits & 1 == 0 ? nil : since
        let startsIn = try reader.readDuration()
        self.startsIn = bits & 2 == 0 ? nil : startsIn
        self.ahead = try reader.read()
        self.missing = try reader.read()
        self.subject = try reader.readText("subject")
    }
}

extension ExplainQueue {
    package func encode(into writer: inout FrameWriter) {
        writer.record { $0.write(self.name) }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.name = try reader.readName("name")
    }
}

extension QueueExplanation {
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.runnable)
            $0.write(self.blocked)
            $0.write(self.running)
            $0.write(UInt32(self.parts.count))
        }
        writer.records(self.parts)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.runnable = try reader.read()
        self.blocked = try reader.read()
        self.running = try reader.read()
        self.parts = try reader.records(try reader.read(), "parts")
    }
}

extension QueueExplanation.Part: FrameRecord {
    static let bytesMin = 1 + 1 + 8 + 8 + 2

    func writeFields(to writer: inout FrameWriter) {
        writer.write(self.reason.rawValue)
        writer.write(self.startsIn == nil ? 0 : 1 as UInt8)
        writer.write(self.count)
        writer.write(self.startsIn ?? .zero)
        writer.write(self.subject)
    }

    init(record reader: inout FrameReader) throws(WireError) {
        self.reason = try reader.readCase("parts.reason")
        let bits: UInt8 = try reader.read()
        self.count = try reader.read()
        let startsIn = try reader.readDuration()
        self.startsIn = bits & 1 == 0 ? nil : startsIn
        self.subject = try reader.readText("parts.subject")
    }
}
