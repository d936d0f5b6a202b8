import MartletCore

extension Ping {
    package func encode(into writer: inout FrameWriter) {
        writer.record { _ in }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
    }
}

extension Pong {
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.epoch.rawValue)
            $0.write(self.wallTime)
            $0.write(self.uptime)
            $0.write(self.isRecovered ? 1 : 0 as UInt8)
            $0.write(self.nodeCount)
            $0.write(self.pendingCount)
            $0.write(self.version)
        }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.epoch = Epoch(rawValue: try reader.read())
        self.wallTime = try reader.readWallTime()
        self.uptime = try reader.readDuration()
        self.isRecovered = try reader.read(UInt8.self) & 1 != 0
        self.nodeCount = try reader.read()
        self.pendingCount = try reader.read()
        self.version = try reader.readText("version")
    }
}

extension ListJobs {
    package static let limitMax: UInt32 = 1000

    package func encode(into writer: inout FrameWriter) {
        writer.record {
            let presence: UInt8 =
                (self.state == nil ? 0 : 1) | (self.queue == nil ? 0 : 2) | (self.type == nil ? 0 : 4)
                | (self.after == nil ? 0 : 8)
            $0.write(presence)
            $0.write(self.state?.rawValue ?? 0)
            $0.write(self.after?.rawValue ?? 0)
            $0.write(self.limit)
            $0.write(self.queue ?? "")
            $0.write(self.type ?? "")
        }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        let presence: UInt8 = try reader.read()
        self.state = presence & 1 == 0 ? (try reader.skipByte()) : try reader.readCase("state")
        let after = try reader.readJobID()
        self.after = presence & 8 == 0 ? nil : after
        self.limit = try reader.read()
        guard (1...Self.limitMax).contains(self.limit) else {
            throw FrameReader.outOfBounds("limit", "must be 1 to \(Self.limitMax)")
        }
        self.queue = try reader.readName("queue", ifPresent: presence & 2 != 0)
        self.type = try reader.readName("type", ifPresent: presence & 4 != 0)
    }
}

extension JobList {
    package var frameBytesEstimate: Int { 64 + self.jobs.count * 192 }

    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.next == nil ? 0 : 1 as UInt8)
            $0.write(self.next?.rawValue ?? 0)
            $0.write(UInt32(self.jobs.count))
        }
        writer.records(self.jobs)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        let presence: UInt8 = try reader.read()
        let next = try reader.readJobID()
        self.next = presence & 1 == 0 ? nil : next
        self.jobs = try reader.records(try reader.read(), "jobs")
    }
}

extension JobView: FrameRecord {
    static let bytesMin = 8 + 1 + 1 + 1 + 2 + 4 + 3 * 8 + 3 * 2 + JobTemplate.bytesMin

    func writeFields(to writer: inout FrameWriter) {
        let presence: UInt8 =
            (self.due == nil ? 0 : 1) | (self.finishedAt == nil ? 0 : 2) | (self.lastFailure == nil ? 0 : 4)
            | (self.node == nil ? 0 : 8) | (self.hasLaterFields ? 16 : 0)
        writer.write(self.id)
        writer.write(presence)
        writer.write(self.state.rawValue)
        writer.write(self.nodeDeaths)
        writer.write(self.failures)
        writer.write(self.payloadCount)
        writer.write(self.createdAt)
        writer.write(self.due?.microseconds ?? 0)
        writer.write(self.finishedAt?.microseconds ?? 0)
        writer.write(self.lastFailure?.kind ?? "")
        writer.write(self.lastFailure?.message ?? "")
        writer.write(self.node ?? "")
        self.template.writeFields(to: &writer)
        if self.hasLaterFields { self.writeLaterFields(to: &writer) }
    }

    private var hasLaterFields: Bool {
        self.expires != nil || self.workflow != nil || self.waits > 0 || self.progress != nil
    }

    private func writeLaterFields(to writer: inout FrameWriter) {
        writer.write(
            (self.expires == nil ? 0 : 1) | (self.workflow == nil ? 0 : 2) | (self.progress == nil ? 0 : 4) as UInt8)
        writer.write(self.expires?.microseconds ?? 0)
        writer.write(self.workflow ?? JobID(rawValue: 0))
        writer.write(self.waits)
        if let progress { progress.writeFields(to: &writer) }
    }

    private mutating func readLaterFields(from reader: inout FrameReader) throws(WireError) {
        let presence: UInt8 = try reader.read()
        let expires = try reader.readWallTime()
        if presence & 1 != 0 { self.expires = expires }
        let workflow = try reader.readJobID()
        if presence & 2 != 0 { self.workflow = workflow }
        self.waits = try reader.read()
        if presence & 4 != 0 { self.progress = try Report.Progress(record: &reader) }
    }

    init(record reader: inout FrameReader) throws(WireError) {
        self.id = try reader.readJobID()
        let presence: UInt8 = try reader.read()
        self.state = try reader.readCase("state")
        self.nodeDeaths = try reader.read()
        self.failures = try reader.read()
        self.payloadCount = try reader.read()
        self.createdAt = try reader.readWallTime()
        let due = try reader.readWallTime()
        self.due = presence & 1 == 0 ? nil : due
        let finishedAt = try reader.readWallTime()
        self.finishedAt = presence & 2 == 0 ? nil : finishedAt
        let failure = try reader.readFailure()
        self.lastFailure = presence & 4 == 0 ? nil : failure
        let node = try reader.readText("node")
        self.node = presence & 8 == 0 ? nil : node
        self.template = try JobTemplate(record: &reader)
        self.waits = 0
        if presence & 16 != 0 { try self.readLaterFields(from: &reader) }
    }
}

extension ShowJob {
    package func encode(into writer: inout FrameWriter) {
        writer.record { $0.write(self.id) }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.id = try reader.readJobID()
    }
}

extension JobDetail {
    package var frameBytesEstimate: Int { 512 + self.payload.count }

    /// The payload goes first, so that the record of the job can grow as it does in a ``JobList``.
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.payload)
            guard self.isExtended else { return }
            $0.write(UInt16(clamping: self.attempts.count))
            $0.write(self.result == nil ? 0 : 1 as UInt8)
            $0.write(self.result ?? .empty)
        }
        writer.record { self.job.writeFields(to: &$0) }
        writer.records(self.attempts)
    }

    package var isExtended: Bool { self.result != nil || !self.attempts.isEmpty }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.payload = try reader.readBytes()
        let attempts: UInt16 = reader.isExtended ? try reader.read() : 0
        let hasResult = reader.isExtended ? try reader.read(UInt8.self) & 1 != 0 : false
        let result = reader.isExtended ? try reader.readBytes() : .empty
        self.result = hasResult ? result : nil
        try reader.nextRecord()
        self.job = try JobView(record: &reader)
        self.attempts = try reader.records(UInt32(attempts), "attempts")
    }
}

extension JobDetail.Attempt: FrameRecord {
    static let bytesMin = 4 + 8 + 3 * 2 + 4

    func writeFields(to writer: inout FrameWriter) {
        writer.write(self.number)
        writer.write(self.endedAt)
        writer.write(self.node)
        writer.write(self.failure.kind)
        writer.write(self.failure.message)
        writer.write(self.output)
    }

    init(record reader: inout FrameReader) throws(WireError) {
        self.number = try reader.read()
        self.endedAt = try reader.readWallTime()
        self.node = try reader.readText("attempts.node")
        self.failure = try reader.readFailure()
        self.output = try reader.readBytes()
    }
}

extension ChangeDead {
    package static let idsMax = 1000

    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write((self.queue == nil ? 0 : 1) | (self.type == nil ? 0 : 2) as UInt8)
            $0.write(self.action.rawValue)
            $0.write(UInt32(self.ids.count))
            $0.write(self.queue ?? "")
            $0.write(self.type ?? "")
        }
        writer.records(self.ids)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        let presence: UInt8 = try reader.read()
        self.action = try reader.readCase("action")
        let count: UInt32 = try reader.read()
        self.queue = try reader.readName("queue", ifPresent: presence & 1 != 0)
        self.type = try reader.readName("type", ifPresent: presence & 2 != 0)
        self.ids = try reader.list(count, "ids", max: Self.idsMax)
    }
}

extension DeadChanged {
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.count)
            $0.write(UInt32(self.missing.count))
        }
        writer.records(self.missing)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.count = try reader.read()
        self.missing = try reader.records(try reader.read(), "missing")
    }
}

extension JobID: FrameRecord, CheckedRecord {
    package static let bytesMin = 8

    @inline(__always)
    package func writeFields(to writer: inout FrameWriter) {
        writer.write(self)
    }

    @inline(__always)
    package init(record reader: inout FrameReader) throws(WireError) {
        self = try reader.readJobID()
    }
}

extension FrameReader {
    /// A failure, its texts cut to their bounds before they are copied.
    mutating func readFailure() throws(WireError) -> JobFailure {
        let kind = try self.readText("failure.kind", bytesMax: JobFailure.kindBytesMax)
        return JobFailure(
            kind: kind, message: try self.readText("failure.message", bytesMax: JobFailure.messageBytesMax))
    }

    /// Passes over a field that is absent.
    fileprivate mutating func skipByte<Value>() throws(WireError) -> Value? {
        _ = try self.read(UInt8.self)
        return nil
    }
}
