import MartletCore

extension ListQueues {
    package func encode(into writer: inout FrameWriter) {
        writer.record { _ in }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
    }
}

extension QueueList {
    package var frameBytesEstimate: Int { 64 + self.queues.count * 128 }

    package var isExtended: Bool { self.queues.contains { $0.oldestReadyAge != nil || $0.keptBytes > 0 } }

    package func encode(into writer: inout FrameWriter) {
        writer.record { $0.write(UInt32(self.queues.count)) }
        writer.records(self.queues)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.queues = try reader.records(try reader.read(), "queues")
    }
}

extension QueueView: FrameRecord {
    static let bytesMin = 10 * 8 + 4 + 2 * 2

    func writeFields(to writer: inout FrameWriter) {
        writer.write(self.ready)
        writer.write(self.running)
        writer.write(self.scheduled)
        writer.write(self.dead)
        writer.write(self.submittedTotal)
        writer.write(self.succeededTotal)
        writer.write(self.retriedTotal)
        writer.write(self.cancelledTotal)
        writer.write(self.expiredTotal)
        writer.write(self.deletedTotal)
        writer.write(self.nodeCount)
        writer.write(self.queue)
        writer.write(self.type)
        guard writer.isExtended else { return }
        writer.write(self.oldestReadyAge == nil ? 0 : 1 as UInt8)
        writer.write(self.oldestReadyAge ?? .zero)
        writer.write(self.keptBytes)
    }

    init(record reader: inout FrameReader) throws(WireError) {
        self.init(queue: "", type: "")
        self.ready = try reader.read()
        self.running = try reader.read()
        self.scheduled = try reader.read()
        self.dead = try reader.read()
        self.submittedTotal = try reader.read()
        self.succeededTotal = try reader.read()
        self.retriedTotal = try reader.read()
        self.cancelledTotal = try reader.read()
        self.expiredTotal = try reader.read()
        self.deletedTotal = try reader.read()
        self.nodeCount = try reader.read()
        self.queue = try reader.readText("queue")
        self.type = try reader.readText("type")
        guard reader.isExtended else { return }
        let presence: UInt8 = try reader.read()
        let age = try reader.readDuration()
        self.oldestReadyAge = presence & 1 == 0 ? nil : age
        self.keptBytes = try reader.read()
    }
}

extension ListNodes {
    package func encode(into writer: inout FrameWriter) {
        writer.record { _ in }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
    }
}

extension NodeList {
    package var frameBytesEstimate: Int { 64 + self.nodes.count * 192 }

    package var isExtended: Bool { self.nodes.contains { $0.stuck > 0 || $0.steals != StealCounts() } }

    package func encode(into writer: inout FrameWriter) {
        writer.record { $0.write(UInt32(self.nodes.count)) }
        writer.records(self.nodes)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.nodes = try reader.records(try reader.read(), "nodes")
    }
}

extension NodeView: FrameRecord {
    static let bytesMin = 8 + 1 + 4 + 4 + 3 * 8 + 2 + 2 * 2

    func writeFields(to writer: inout FrameWriter) {
        writer.write(self.incarnation)
        writer.write(self.status.rawValue)
        writer.write(self.slots)
        writer.write(self.leased)
        writer.write(self.sinceHeard)
        writer.write(self.succeededTotal)
        writer.write(self.failedTotal)
        writer.write(self.name)
        writer.writeTexts(self.queues)
        writer.writeTexts(self.types)
        guard writer.isExtended else { return }
        writer.write(self.stuck)
        guard self.steals != StealCounts() else { return }
        writer.write(self.steals.asks)
        writer.write(self.steals.asked)
        writer.write(self.steals.gaveBack)
        writer.write(self.steals.tookOver)
    }

    init(record reader: inout FrameReader) throws(WireError) {
        self.incarnation = try reader.read()
        self.status = try reader.readCase("status")
        self.slots = try reader.read()
        self.leased = try reader.read()
        self.sinceHeard = try reader.readDuration()
        self.succeededTotal = try reader.read()
        self.failedTotal = try reader.read()
        self.name = try reader.readText("name")
        self.queues = try reader.readTexts("queues")
        self.types = try reader.readTexts("types")
        self.stuck = reader.isExtended ? try reader.read() : 0
        self.steals = StealCounts()
        guard reader.isExtended, reader.bytesLeft >= 4 * 8 else { return }
        self.steals.asks = try reader.read()
        self.steals.asked = try reader.read()
        self.steals.gaveBack = try reader.read()
        self.steals.tookOver = try reader.read()
    }
}

extension FrameWriter {
    /// A list inside a record: a u16 count, then that many texts. Cut to what the count can say.
    fileprivate mutating func writeTexts(_ texts: [String]) {
        let count = UInt16(clamping: texts.count)
        self.write(count)
        for text in texts.prefix(Int(count)) { self.write(text) }
    }
}

extension FrameReader {
    fileprivate mutating func readTexts(_ name: String) throws(WireError) -> [String] {
        let count = Int(try self.read(UInt16.self))
        // A text takes two bytes at least, so this is the most that the count can be worth.
        guard count <= self.bytesLeft / 2 else { throw Self.outOfBounds(name, "is longer than its record") }
        var texts: [String] = []
        texts.reserveCapacity(count)
        for _ in 0..<count { texts.append(try self.readText(name)) }
        return texts
    }
}
