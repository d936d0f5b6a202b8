import MartletCore

extension Report {
    private static let drainingBit: UInt8 = 1
    private static let lastBit: UInt8 = 2

    package var frameBytesEstimate: Int { 128 + self.running.count * 12 + self.items.count * 32 }

    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.key)
            $0.write(self.number)
            $0.write(self.lastDelivery)
            $0.write(self.creditTotal)
            $0.write((self.isDraining ? Self.drainingBit : 0) | (self.isLast ? Self.lastBit : 0))
            $0.write(UInt32(self.running.count))
            $0.write(UInt32(self.items.count))
        }
        writer.records(self.running)
        writer.records(self.items)
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
        guard self.number > 0 else { throw FrameReader.outOfBounds("number", "must not be 0") }
        self.running = try reader.records(runningCount, "running", max: Int(Register.slotsMax))
        self.items = try reader.records(itemCount, "items", max: Self.itemsMax)
    }
}

extension Report.Item: FrameRecord {
    static let bytesMin = 8 + 16 + 1
    private static let succeededTag: UInt8 = 1
    private static let failedTag: UInt8 = 2
    private static let returnedTag: UInt8 = 3

    @inline(__always)
    func writeFields(to writer: inout FrameWriter) {
        writer.write(self.id)
        writer.write(self.token)
        switch self.result {
        case .succeeded: writer.write(Self.succeededTag)
        case .returned: writer.write(Self.returnedTag)
        case .failed(let failure, let isRetryable):
            writer.write(Self.failedTag)
            writer.write(isRetryable ? 1 : 0 as UInt8)
            writer.write(failure.kind)
            writer.write(failure.message)
        }
    }

    @inline(__always)
    init(record reader: inout FrameReader) throws(WireError) {
        self.id = try reader.readJobID()
        self.token = try reader.readToken()
        switch try reader.read(UInt8.self) {
        case Self.succeededTag: self.result = .succeeded
        case Self.returnedTag: self.result = .returned
        case Self.failedTag:
            let isRetryable = try reader.read(UInt8.self) & 1 != 0
            self.result = .failed(try reader.readFailure(), isRetryable: isRetryable)
        default: throw FrameReader.outOfBounds("items.result", "has an unknown value")
        }
    }
}

extension ReportReply {
    package var frameBytesEstimate: Int { 64 + self.verdicts.count * 5 }

    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.number)
            $0.write(UInt32(self.verdicts.count))
        }
        writer.records(self.verdicts)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.number = try reader.read()
        self.verdicts = try reader.records(try reader.read(), "verdicts")
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
