package import MartletCore

extension Fetch {
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.key)
            $0.write(self.lastDelivery)
            $0.write(self.creditTotal)
        }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.key = try reader.read()
        self.lastDelivery = try reader.read()
        self.creditTotal = try reader.read()
    }
}

extension Delivery {
    package var frameBytesEstimate: Int {
        self.jobs.reduce(128 + self.templates.count * 64) {
            $0 + $1.payload.count + FrameHeader.recordPrefixBytesCount + Job.bytesMin
        }
    }

    package var isExtended: Bool {
        self.templates.contains { !$0.tags.isEmpty || !$0.metadata.isEmpty } || self.jobs.contains { $0.extras != nil }
    }

    package func encode(into writer: inout FrameWriter) {
        writer.write(
            deliveryOf: self.jobs.count, number: self.number, epoch: self.epoch, templates: self.templates)
        writer.records(self.jobs)
    }

    /// Writes a frame without a value of each job first.
    ///
    /// - Parameters:
    ///   - payloadBytes: of all jobs.
    ///   - jobs: writes `count` jobs, see ``FrameWriter/writeJob(id:leaseSequence:attempt:template:payload:extras:)``.
    package static func encoded(
        number: UInt64, epoch: Epoch, templates: [Template], count: Int, payloadBytes: Int, haveExtras: Bool,
        jobs: (inout FrameWriter) -> Void
    ) -> Bytes {
        let head = Delivery(number: number, epoch: epoch, templates: templates, jobs: [])
        var writer = FrameWriter(
            Self.kind,
            bytesEstimate: head.frameBytesEstimate + payloadBytes
                + count * (FrameHeader.recordPrefixBytesCount + Job.bytesMin),
            isExtended: haveExtras || head.isExtended)
        writer.write(deliveryOf: count, number: number, epoch: epoch, templates: templates)
        jobs(&writer)
        return writer.finish()
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.number = try reader.read()
        self.epoch = Epoch(rawValue: try reader.read())
        let templateCount: UInt32 = try reader.read()
        let jobCount: UInt32 = try reader.read()
        self.templates = try reader.records(templateCount, "templates")
        self.jobs = try reader.records(jobCount, "jobs")
        for job in self.jobs where job.template >= templateCount {
            throw FrameReader.outOfBounds("jobs.template", "is not an index into templates")
        }
    }
}

extension FrameWriter {
    fileprivate mutating func write(
        deliveryOf count: Int, number: UInt64, epoch: Epoch, templates: [Delivery.Template]
    ) {
        self.record {
            $0.write(number)
            $0.write(epoch.rawValue)
            $0.write(UInt32(templates.count))
            $0.write(UInt32(count))
        }
        self.records(templates)
    }

    /// Writes a job of a ``Delivery``.
    @inline(__always)
    package mutating func writeJob(
        id: JobID, leaseSequence: UInt64, attempt: UInt16, template: UInt16, payload: Bytes,
        extras: @autoclosure () -> Delivery.Extras?
    ) {
        self.record {
            $0.writeFields(
                ofJob: id, leaseSequence: leaseSequence, attempt: attempt, template: template, payload: payload,
                extras: extras())
        }
    }

    @inline(__always)
    fileprivate mutating func writeFields(
        ofJob id: JobID, leaseSequence: UInt64, attempt: UInt16, template: UInt16, payload: Bytes,
        extras: @autoclosure () -> Delivery.Extras?
    ) {
        self.write(id)
        self.write(leaseSequence)
        self.write(attempt)
        self.write(template)
        self.write(payload)
        if self.isExtended { Delivery.Extras.write(extras(), to: &self) }
    }
}

extension Delivery.Job: FrameRecord {
    static let bytesMin = 8 + 8 + 2 + 2 + 4

    @inline(__always)
    func writeFields(to writer: inout FrameWriter) {
        writer.writeFields(
            ofJob: self.id, leaseSequence: self.leaseSequence, attempt: self.attempt, template: self.template,
            payload: self.payload, extras: self.extras)
    }

    @inline(__always)
    init(record reader: inout FrameReader) throws(WireError) {
        let id = try reader.readJobID()
        let leaseSequence: UInt64 = try reader.read()
        let attempt: UInt16 = try reader.read()
        let template: UInt16 = try reader.read()
        self.init(
            id: id, leaseSequence: leaseSequence, attempt: attempt, template: template,
            payload: try reader.readBytes(), extras: reader.isExtended ? try Delivery.Extras.read(from: &reader) : nil)
    }
}

extension Delivery.Extras {
    /// A byte that says what follows, then that.
    fileprivate static func write(_ extras: Delivery.Extras?, to writer: inout FrameWriter) {
        guard let extras else { return writer.write(0 as UInt8) }
        let presence: UInt8 =
            (extras.expiresIn == nil ? 0 : 1) | (extras.checkpoint == nil ? 0 : 2)
            | (extras.parents.isEmpty ? 0 : 4) | (extras.startBy == nil ? 0 : 8)
        writer.write(presence)
        if let expiresIn = extras.expiresIn { writer.write(expiresIn) }
        if let checkpoint = extras.checkpoint { writer.write(checkpoint) }
        if !extras.parents.isEmpty { Self.write(extras.parents, to: &writer) }
        if let startBy = extras.startBy { writer.write(startBy.nanoseconds) }
    }

    private static func write(_ parents: [ParentResult], to writer: inout FrameWriter) {
        writer.write(UInt16(clamping: parents.count))
        for parent in parents.prefix(Int(UInt16.max)) {
            writer.write(parent.id)
            writer.write(parent.state.rawValue)
            writer.write(parent.name)
            writer.write(parent.result == nil ? 0 : 1 as UInt8)
            if let result = parent.result { writer.write(result) }
        }
    }

    fileprivate static func read(from reader: inout FrameReader) throws(WireError) -> Delivery.Extras? {
        let presence: UInt8 = try reader.read()
        guard presence & 15 != 0 else { return nil }
        var extras = Delivery.Extras()
        if presence & 1 != 0 { extras.expiresIn = try reader.readDuration() }
        if presence & 2 != 0 { extras.checkpoint = try reader.readBytes() }
        if presence & 4 != 0 { extras.parents = try Self.readParents(from: &reader) }
        if presence & 8 != 0 { extras.startBy = Instant(nanoseconds: try reader.read()) }
        return extras
    }

    private static func readParents(from reader: inout FrameReader) throws(WireError) -> [ParentResult] {
        var parents: [ParentResult] = []
        let count = Int(try reader.read(UInt16.self))
        guard count <= reader.bytesLeft / 12 else {
            throw FrameReader.outOfBounds("jobs.parents", "is longer than its record")
        }
        for _ in 0..<count {
            let id = try reader.readJobID()
            let state: JobState = try reader.readCase("jobs.parents.state")
            let name = try reader.readText("jobs.parents.name")
            let result = try reader.read(UInt8.self) & 1 == 0 ? nil : try reader.readBytes()
            parents.append(ParentResult(id: id, name: name, state: state, result: result))
        }
        return parents
    }
}

extension Delivery.Template: FrameRecord {
    static let bytesMin = 8 + 2 * 2

    func writeFields(to writer: inout FrameWriter) {
        writer.write(self.timeout)
        writer.write(self.type)
        writer.write(self.queue)
        if writer.isExtended { self.writeLaterFields(to: &writer) }
    }

    init(record reader: inout FrameReader) throws(WireError) {
        self.timeout = try reader.readDuration()
        self.type = try reader.readText("templates.type")
        self.queue = try reader.readText("templates.queue")
        self.tags = []
        self.metadata = [:]
        if reader.isExtended { try self.readLaterFields(from: &reader) }
    }

    private func writeLaterFields(to writer: inout FrameWriter) {
        writer.write(UInt16(clamping: self.tags.count))
        for tag in self.tags.prefix(Int(UInt16.max)) { writer.write(tag) }
        writer.write(UInt16(clamping: self.metadata.count))
        for (name, value) in self.metadata.sorted(by: { $0.key < $1.key }).prefix(Int(UInt16.max)) {
            writer.write(name)
            writer.write(value)
        }
    }

    private mutating func readLaterFields(from reader: inout FrameReader) throws(WireError) {
        for _ in 0..<(try reader.read(UInt16.self)) { self.tags.append(try reader.readText("templates.tags")) }
        for _ in 0..<(try reader.read(UInt16.self)) {
            let name = try reader.readText("templates.metadata")
            self.metadata[name] = try reader.readText("templates.metadata")
        }
    }
}
