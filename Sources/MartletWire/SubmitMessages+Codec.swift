import MartletCore

extension OpenSession {
    package func encode(into writer: inout FrameWriter) {
        writer.record { $0.write(self.session) }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.session = try reader.readSession()
    }
}

extension SessionOpened {
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.payloadMax)
            $0.write(self.submitsInFlightMax)
            if self.isExtended { $0.write(self.features.rawValue) }
        }
    }

    package var isExtended: Bool { !self.features.isEmpty }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.payloadMax = try reader.read()
        self.submitsInFlightMax = try reader.read()
        self.features = PeerFeatures(rawValue: reader.isExtended ? try reader.read() : 0)
    }
}

extension Submit {
    package static let jobsMax = 10_000
    package static let templatesMax = 1024

    package var frameBytesEstimate: Int {
        self.jobs.reduce(128 + self.templates.count * 128) {
            $0 + $1.payload.count + FrameHeader.recordPrefixBytesCount + Job.bytesMin
        }
    }

    package func encode(into writer: inout FrameWriter) {
        writer.record { self.writeHeader(to: &$0) }
        self.writeLists(to: &writer)
    }

    /// The fields of the first record.
    func writeHeader(to writer: inout FrameWriter) {
        writer.write(self.session)
        writer.write(self.sequence)
        writer.write(UInt32(self.templates.count))
        writer.write(UInt32(self.jobs.count))
    }

    func writeLists(to writer: inout FrameWriter) {
        writer.records(self.templates)
        writer.records(self.jobs)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        let header = try Header(from: &reader)
        guard header.jobCount > 0 else { throw FrameReader.outOfBounds("jobs", "is empty") }
        self = try header.readLists(from: &reader)
    }

    /// What the first record says, read up to where a frame that holds more than a submit goes on.
    struct Header {
        private let session: SessionID
        private let sequence: UInt64
        private let templateCount: UInt32
        let jobCount: UInt32

        init(from reader: inout FrameReader) throws(WireError) {
            try reader.nextRecord()
            self.session = try reader.readSession()
            self.sequence = try reader.read()
            self.templateCount = try reader.read()
            self.jobCount = try reader.read()
            guard self.sequence > 0 else { throw FrameReader.outOfBounds("sequence", "must not be 0") }
        }

        func readLists(from reader: inout FrameReader) throws(WireError) -> Submit {
            let templateCount = self.templateCount
            return Submit(
                session: self.session, sequence: self.sequence,
                templates: try reader.list(templateCount, "templates", max: Submit.templatesMax),
                jobs: try reader.list(self.jobCount, "jobs", max: Submit.jobsMax) { reader throws(WireError) in
                    guard try Submit.Job.checkedTemplate(record: &reader) < templateCount else {
                        throw FrameReader.outOfBounds("jobs.template", "is not an index into templates")
                    }
                })
        }
    }
}

extension Submit.Job: CheckedRecord {
    package static let bytesMin = 2 + 1 + 8 + 4

    @inline(__always)
    package func writeFields(to writer: inout FrameWriter) {
        writer.write(self.template)
        writer.write(self.due == nil ? 0 : 1 as UInt8)
        writer.write(self.due?.microseconds ?? 0)
        writer.write(self.payload)
    }

    /// Reads it as ``init(record:)`` does, but for its template keeps nothing.
    @inline(__always)
    fileprivate static func checkedTemplate(record reader: inout FrameReader) throws(WireError) -> UInt16 {
        let template: UInt16 = try reader.read()
        _ = try reader.read(UInt8.self)
        _ = try reader.readWallTime()
        try reader.skipBytes()
        return template
    }

    @inline(__always)
    package static func check(record reader: inout FrameReader) throws(WireError) {
        _ = try Self.checkedTemplate(record: &reader)
    }

    @inline(__always)
    package init(record reader: inout FrameReader) throws(WireError) {
        self.template = try reader.read()
        let presence: UInt8 = try reader.read()
        let due = try reader.readWallTime()
        self.due = presence & 1 == 0 ? nil : due
        self.payload = try reader.readBytes()
    }
}

extension JobTemplate: FrameRecord, CheckedRecord {
    package static let bytesMin = 1 + 1 + 8 + 2 + 8 + 8 + 8 + 2 + 2

    package func writeFields(to writer: inout FrameWriter) {
        let retry = self.options.retry
        let rare = self.options.rareOptions
        writer.write((self.options.timeout == nil ? 0 : 1) | (retry == nil ? 0 : 2) | (rare == nil ? 0 : 4) as UInt8)
        writer.write(self.options.priority.rawValue)
        writer.write(self.options.timeout ?? .zero)
        writer.write(UInt16(retry?.maxAttempts ?? 0))
        writer.write(retry?.initialBackoff ?? .zero)
        writer.write(retry?.maxBackoff ?? .zero)
        writer.write(retry?.jitter ?? 0)
        writer.write(self.type)
        writer.write(self.queue)
        if let rare { writer.write(Bytes(copying: rare.encoded)) }
    }

    package init(record reader: inout FrameReader) throws(WireError) {
        try self.init(from: &reader, keepsLists: true)
    }

    package static func check(record reader: inout FrameReader) throws(WireError) {
        _ = try Self(from: &reader, keepsLists: false)
    }

    /// - Parameter keepsLists: false only checks tags and metadata.
    init(from reader: inout FrameReader, keepsLists: Bool) throws(WireError) {
        let presence: UInt8 = try reader.read()
        guard let priority = Priority(rawValue: try reader.read()) else {
            throw FrameReader.outOfBounds("priority", "must be 0 to 9")
        }
        let timeout = try reader.readDuration()
        let maxAttempts = Int(try reader.read(UInt16.self))
        let initialBackoff = try reader.readDuration()
        let maxBackoff = try reader.readDuration()
        let jitter = try reader.readDouble()
        var retry: RetryPolicy?
        if presence & 1 != 0, timeout <= .zero { throw FrameReader.outOfBounds("timeout", "must be positive") }
        if presence & 2 != 0 {
            if let problem = RetryPolicy.problem(
                maxAttempts: maxAttempts, initialBackoff: initialBackoff, maxBackoff: maxBackoff, jitter: jitter)
            {
                throw WireError(.malformed, problem)
            }
            retry = RetryPolicy(
                maxAttempts: maxAttempts, initialBackoff: initialBackoff, maxBackoff: maxBackoff, jitter: jitter)
        }
        let type = try reader.readName("type")
        let queue = try reader.readName("queue")
        let rare = presence & 4 == 0 ? nil : try reader.readRareOptions(keepsLists: keepsLists)
        let options = JobOptions(
            priority: priority, timeout: presence & 1 == 0 ? nil : timeout, retry: retry, rare: rare)
        self.init(type: type, queue: queue, options: options)
    }
}

extension Submitted {
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.first)
            $0.write(self.count)
            $0.write((self.isRepeat ? 1 : 0) | (self.exceptions.isEmpty ? 0 : 2) as UInt8)
            if !self.exceptions.isEmpty { $0.write(UInt32(self.exceptions.count)) }
        }
        writer.records(self.exceptions)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.first = try reader.readJobID()
        self.count = try reader.read()
        let bits: UInt8 = try reader.read()
        self.isRepeat = bits & 1 != 0
        self.exceptions = bits & 2 == 0 ? [] : try reader.records(try reader.read(), "exceptions")
    }
}

extension Submitted.Exception: FrameRecord {
    static let bytesMin = 4 + 8 + 1

    func writeFields(to writer: inout FrameWriter) {
        writer.write(self.place)
        writer.write(self.id)
        writer.write(self.isReplaced ? 1 : 0 as UInt8)
    }

    init(record reader: inout FrameReader) throws(WireError) {
        self.place = try reader.read()
        self.id = try reader.readJobID()
        self.isReplaced = try reader.read(UInt8.self) & 1 != 0
    }
}

extension FrameWriter {
    fileprivate mutating func write(_ session: SessionID) {
        self.write(session.high)
        self.write(session.low)
    }
}

extension FrameReader {
    fileprivate mutating func readRareOptions(keepsLists: Bool) throws(WireError) -> JobOptions.Rare {
        let bytes = try self.readBytes()
        guard let rare = bytes.withUnsafeBytes({ JobOptions.Rare(encoded: $0, keepsLists: keepsLists) }) else {
            throw Self.outOfBounds("options", "have a field that is not known or makes no sense")
        }
        return rare
    }

    fileprivate mutating func readSession() throws(WireError) -> SessionID {
        let high: UInt64 = try self.read()
        return SessionID(high: high, low: try self.read())
    }
}
