import MartletCore

extension Report {
    private static let drainingBit: UInt8 = 1
    private static let lastBit: UInt8 = 2
    private static let stuckBit: UInt8 = 4
    private static let standingBit: UInt8 = 8

    package var frameBytesEstimate: Int { 128 + self.running.count * 12 + self.items.count * 32 }

    package var isExtended: Bool { !self.progress.isEmpty || self.stuck > 0 || self.standing != nil }

    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.key)
            $0.write(self.number)
            $0.write(self.lastDelivery)
            $0.write(self.creditTotal)
            $0.write(
                (self.isDraining ? Self.drainingBit : 0) | (self.isLast ? Self.lastBit : 0)
                    | (self.stuck > 0 ? Self.stuckBit : 0) | (self.standing == nil ? 0 : Self.standingBit))
            $0.write(UInt32(self.running.count))
            $0.write(UInt32(self.items.count))
            guard self.isExtended else { return }
            $0.write(UInt32(self.progress.count))
            if self.stuck > 0 { $0.write(self.stuck) }
            guard let standing else { return }
            $0.write(standing.meanDuration)
            $0.write(standing.answeredAsk)
        }
        writer.records(self.running)
        writer.records(self.items)
        writer.records(self.progress)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.key = try reader.read()
        self.number = try reader.read()
        self.lastDelivery = try reader.read()
        self.creditTotal = try reader.read()
        let bits: UInt8 = try reader.read()
        self.isDraining = bits & Self.drainingBit != 0
        self.isLast = bits & Self.lastBit != 0
        let runningCount: UInt32 = try reader.read()
        let itemCount: UInt32 = try reader.read()
        let progressCount: UInt32 = reader.isExtended ? try reader.read() : 0
        self.stuck = reader.isExtended && bits & Self.stuckBit != 0 ? try reader.read() : 0
        if reader.isExtended, bits & Self.standingBit != 0 {
            let mean = try reader.readDuration()
            self.standing = Standing(meanDuration: max(.zero, mean), answeredAsk: try reader.read())
        }
        guard self.number > 0 else { throw FrameReader.outOfBounds("number", "must not be 0") }
        self.running = try reader.list(runningCount, "running", max: Int(Register.slotsMax))
        self.items = try reader.list(itemCount, "items", max: Self.itemsMax)
        self.progress = try reader.list(progressCount, "progress", max: Int(Register.slotsMax))
    }
}

extension Report.Progress: CheckedRecord {
    package static let bytesMin = 8 + 8 + 2

    package func writeFields(to writer: inout FrameWriter) {
        writer.write(self.id)
        writer.write(self.fraction)
        writer.write(self.message)
    }

    package init(record reader: inout FrameReader) throws(WireError) {
        self.id = try reader.readJobID()
        self.fraction = try reader.readDouble()
        guard (0...1).contains(self.fraction) else { throw FrameReader.outOfBounds("progress", "must be 0 to 1") }
        self.message = try reader.readText("progress.message", bytesMax: Self.messageBytesMax)
    }
}

extension Report.Item: CheckedRecord {
    package static let bytesMin = 8 + 16 + 1
    private static let succeededTag: UInt8 = 1
    private static let failedTag: UInt8 = 2
    private static let returnedTag: UInt8 = 3
    private static let completedTag: UInt8 = 4
    private static let checkpointTag: UInt8 = 5
    private static let failedWithOutputTag: UInt8 = 6
    private static let unavailableTag: UInt8 = 7

    @inline(__always)
    package func writeFields(to writer: inout FrameWriter) {
        writer.write(self.id)
        writer.write(self.token)
        switch self.result {
        case .succeeded: writer.write(Self.succeededTag)
        case .returned: writer.write(Self.returnedTag)
        case .completed(let completion):
            writer.write(Self.completedTag)
            completion.write(to: &writer)
        case .checkpoint(let value):
            writer.write(Self.checkpointTag)
            writer.write(value)
        case .unavailable(let service, let retryAfter):
            writer.write(Self.unavailableTag)
            writer.write((service == nil ? 0 : 1) | (retryAfter == nil ? 0 : 2) as UInt8)
            writer.write(service ?? "")
            writer.write(retryAfter ?? .zero)
        case .failed(let failure, let isRetryable, let output):
            writer.write(output.isEmpty ? Self.failedTag : Self.failedWithOutputTag)
            writer.write(isRetryable ? 1 : 0 as UInt8)
            writer.write(failure.kind)
            writer.write(failure.message)
            if !output.isEmpty { writer.write(output) }
        }
    }

    @inline(__always)
    package init(record reader: inout FrameReader) throws(WireError) {
        try self.init(from: &reader, keepsFollowUps: true)
    }

    /// Follow-ups, of which an item may have many, are looked at one by one.
    @inline(__always)
    package static func check(record reader: inout FrameReader) throws(WireError) {
        _ = try Self(from: &reader, keepsFollowUps: false)
    }

    @inline(__always)
    private init(from reader: inout FrameReader, keepsFollowUps: Bool) throws(WireError) {
        self.id = try reader.readJobID()
        self.token = try reader.readToken()
        let tag: UInt8 = try reader.read()
        switch tag {
        case Self.succeededTag: self.result = .succeeded
        case Self.returnedTag: self.result = .returned
        case Self.completedTag:
            self.result = .completed(try Completion.read(from: &reader, keepsFollowUps: keepsFollowUps))
        case Self.checkpointTag: self.result = .checkpoint(try reader.readBytes())
        case Self.unavailableTag: self.result = try Self.readUnavailable(from: &reader)
        case Self.failedTag, Self.failedWithOutputTag:
            let isRetryable = try reader.read(UInt8.self) & 1 != 0
            let failure = try reader.readFailure()
            let output = tag == Self.failedTag ? Bytes.empty : try reader.readBytes()
            self.result = .failed(failure, isRetryable: isRetryable, output: output)
        default: throw FrameReader.outOfBounds("items.result", "has an unknown value")
        }
    }

    private static func readUnavailable(from reader: inout FrameReader) throws(WireError) -> Result {
        let bits: UInt8 = try reader.read()
        let service = try reader.readName("items.service", ifPresent: bits & 1 != 0)
        let retryAfter = try reader.readDuration()
        return .unavailable(service: service, retryAfter: bits & 2 != 0 ? max(.zero, retryAfter) : nil)
    }
}

extension ReportReply {
    package var frameBytesEstimate: Int { 64 + self.verdicts.count * 5 }

    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.number)
            $0.write(UInt32(self.verdicts.count))
            if let time { $0.write(time.nanoseconds) }
        }
        writer.records(self.verdicts)
    }

    package var isExtended: Bool { self.time != nil }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.number = try reader.read()
        let count: UInt32 = try reader.read()
        self.time = reader.isExtended ? Instant(nanoseconds: try reader.read()) : nil
        self.verdicts = try reader.records(count, "verdicts")
    }
}

extension ReportReply.Verdict: FrameRecord {
    static let bytesMin = 1

    @inline(__always)
    func writeFields(to writer: inout FrameWriter) {
        writer.write(self.rawValue)
    }

    @inline(__always)
    init(record reader: inout FrameReader) throws(WireError) {
        self = try reader.readCase("verdicts")
    }
}
