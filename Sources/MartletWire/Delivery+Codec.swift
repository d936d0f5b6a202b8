import MartletCore

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

    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.number)
            $0.write(self.epoch.rawValue)
            $0.write(UInt32(self.templates.count))
            $0.write(UInt32(self.jobs.count))
        }
        writer.records(self.templates)
        writer.records(self.jobs)
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

extension Delivery.Job: FrameRecord {
    static let bytesMin = 8 + 8 + 2 + 2 + 4

    @inline(__always)
    func writeFields(to writer: inout FrameWriter) {
        writer.write(self.id)
        writer.write(self.leaseSequence)
        writer.write(self.attempt)
        writer.write(self.template)
        writer.write(self.payload)
    }

    @inline(__always)
    init(record reader: inout FrameReader) throws(WireError) {
        self.id = try reader.readJobID()
        self.leaseSequence = try reader.read()
        self.attempt = try reader.read()
        self.template = try reader.read()
        self.payload = try reader.readBytes()
    }
}

extension Delivery.Template: FrameRecord {
    static let bytesMin = 8 + 2 * 2

    func writeFields(to writer: inout FrameWriter) {
        writer.write(self.timeout)
        writer.write(self.type)
        writer.write(self.queue)
    }

    init(record reader: inout FrameReader) throws(WireError) {
        self.timeout = try reader.readDuration()
        self.type = try reader.readText("templates.type")
        self.queue = try reader.readText("templates.queue")
    }
}
