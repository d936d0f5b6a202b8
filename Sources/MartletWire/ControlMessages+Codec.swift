import MartletCore

extension JobSelection {
    static let bytesMin = 1 + 1 + 3 * 8 + 4 * 2

    func writeFields(to writer: inout FrameWriter) {
        let isSet = [
            self.state != nil, self.queue != nil, self.type != nil, self.tag != nil, self.createdBefore != nil,
            self.batch != nil, self.workflow != nil, self.group != nil,
        ]
        var presence: UInt8 = 0
        for (place, isSet) in isSet.enumerated() where isSet { presence |= 1 << UInt8(place) }
        writer.write(presence)
        writer.write(self.state?.rawValue ?? 0)
        writer.write(self.createdBefore?.microseconds ?? 0)
        writer.write(self.batch?.rawValue ?? 0)
        writer.write(self.workflow?.rawValue ?? 0)
        writer.write(self.queue ?? "")
        writer.write(self.type ?? "")
        writer.write(self.tag ?? "")
        writer.write(self.group ?? "")
    }

    init(fields reader: inout FrameReader) throws(WireError) {
        let presence: UInt8 = try reader.read()
        let state: UInt8 = try reader.read()
        let createdBefore = try reader.readWallTime()
        let batch: UInt64 = try reader.read()
        let workflow = try reader.readJobID()
        self.init()
        if presence & 1 != 0 {
            guard let known = JobState(rawValue: state) else {
                throw FrameReader.outOfBounds("state", "has an unknown value")
            }
            self.state = known
        }
        self.queue = try reader.readName("queue", ifPresent: presence & 2 != 0)
        self.type = try reader.readName("type", ifPresent: presence & 4 != 0)
        let tag = try reader.readText("tag")
        let group = try reader.readText("group")
        if presence & 8 != 0 { self.tag = tag }
        if presence & 16 != 0 { self.createdBefore = createdBefore }
        if presence & 32 != 0 { self.batch = BatchID(rawValue: batch) }
        if presence & 64 != 0 { self.workflow = workflow }
        if presence & 128 != 0 { self.group = group }
    }
}

extension ChangeJobs.Action {
    static let bytesMin = 1 + 1 + 8

    /// A tag, whether there is an argument, and it.
    func writeFields(to writer: inout FrameWriter) {
        let (tag, argument): (UInt8, Int64?) =
            switch self {
            case .cancel: (1, nil)
            case .retry: (2, nil)
            case .delete: (3, nil)
            case .purge: (4, nil)
            case .reschedule(let due): (5, due?.microseconds)
            case .prioritize(let priority): (6, Int64(priority.rawValue))
            }
        writer.write(tag)
        writer.write(argument == nil ? 0 : 1 as UInt8)
        writer.write(argument ?? 0)
    }

    init(fields reader: inout FrameReader) throws(WireError) {
        let tag: UInt8 = try reader.read()
        let hasArgument = try reader.read(UInt8.self) & 1 != 0
        let argument: Int64 = try reader.read()
        switch tag {
        case 1: self = .cancel
        case 2: self = .retry
        case 3: self = .delete
        case 4: self = .purge
        case 5: self = .reschedule(hasArgument ? WallTime(microseconds: argument) : nil)
        case 6:
            guard hasArgument, let priority = UInt8(exactly: argument).flatMap({ Priority(rawValue: $0) }) else {
                throw FrameReader.outOfBounds("priority", "must be 0 to 9")
            }
            self = .prioritize(priority)
        default: throw FrameReader.outOfBounds("action", "has an unknown value")
        }
    }
}

extension ChangeJobs {
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write((self.isDryRun ? 1 : 0) | (self.after == nil ? 0 : 2) as UInt8)
            $0.write(self.after?.rawValue ?? 0)
            $0.write(UInt32(self.ids.count))
            self.action.writeFields(to: &$0)
            self.selection.writeFields(to: &$0)
        }
        writer.records(self.ids)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        let bits: UInt8 = try reader.read()
        let after = try reader.readJobID()
        let count: UInt32 = try reader.read()
        self.isDryRun = bits & 1 != 0
        self.after = bits & 2 == 0 ? nil : after
        self.action = try Action(fields: &reader)
        self.selection = try JobSelection(fields: &reader)
        self.ids = try reader.list(count, "ids", max: Self.idsMax)
    }
}

extension JobsChanged {
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(
                (self.isFinished ? 1 : 0) | (self.bulk == nil ? 0 : 2) | (self.next == nil ? 0 : 4) as UInt8)
            $0.write(self.count)
            $0.write(self.bulk ?? 0)
            $0.write(self.next?.rawValue ?? 0)
            $0.write(UInt32(self.missing.count))
        }
        writer.records(self.missing)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        let bits: UInt8 = try reader.read()
        self.isFinished = bits & 1 != 0
        self.count = try reader.read()
        let bulk: UInt64 = try reader.read()
        self.bulk = bits & 2 == 0 ? nil : bulk
        let next = try reader.readJobID()
        self.next = bits & 4 == 0 ? nil : next
        self.missing = try reader.records(try reader.read(), "missing")
    }
}

extension ListBulk {
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.id == nil ? 0 : 1 as UInt8)
            $0.write(self.id ?? 0)
        }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        let presence: UInt8 = try reader.read()
        let id: UInt64 = try reader.read()
        self.id = presence & 1 == 0 ? nil : id
    }
}

extension BulkList {
    package var frameBytesEstimate: Int { 64 + self.operations.count * 160 }

    package func encode(into writer: inout FrameWriter) {
        writer.record { $0.write(UInt32(self.operations.count)) }
        writer.records(self.operations)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.operations = try reader.records(try reader.read(), "operations")
    }
}

extension BulkView: FrameRecord {
    static let bytesMin = 8 + 1 + 6 * 8 + ChangeJobs.Action.bytesMin + JobSelection.bytesMin

    func writeFields(to writer: inout FrameWriter) {
        writer.write(self.id)
        writer.write(
            (self.finishedAt == nil ? 0 : 1) | (self.cursor == nil ? 0 : 2) | (self.through == nil ? 0 : 4) as UInt8)
        writer.write(self.startedAt)
        writer.write(self.finishedAt?.microseconds ?? 0)
        writer.write(self.changed)
        writer.write(self.missed)
        writer.write(self.cursor?.rawValue ?? 0)
        writer.write(self.through?.rawValue ?? 0)
        self.action.writeFields(to: &writer)
        self.selection.writeFields(to: &writer)
    }

    init(record reader: inout FrameReader) throws(WireError) {
        self.id = try reader.read()
        let presence: UInt8 = try reader.read()
        self.startedAt = try reader.readWallTime()
        let finishedAt = try reader.readWallTime()
        self.finishedAt = presence & 1 == 0 ? nil : finishedAt
        self.changed = try reader.read()
        self.missed = try reader.read()
        let cursor = try reader.readJobID()
        self.cursor = presence & 2 == 0 ? nil : cursor
        let through = try reader.readJobID()
        self.through = presence & 4 == 0 ? nil : through
        self.action = try ChangeJobs.Action(fields: &reader)
        self.selection = try JobSelection(fields: &reader)
    }
}

extension SetPause {
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.target.rawValue)
            $0.write(self.isPaused ? 1 : 0 as UInt8)
            $0.write(self.name)
        }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.target = try reader.readCase("target")
        self.isPaused = try reader.read(UInt8.self) & 1 != 0
        self.name = try reader.readName("name")
    }
}

extension PauseSet {
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write((self.since == nil ? 0 : 1) | (self.isChanged ? 2 : 0) as UInt8)
            $0.write(self.since?.microseconds ?? 0)
        }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        let bits: UInt8 = try reader.read()
        let since = try reader.readWallTime()
        self.since = bits & 1 == 0 ? nil : since
        self.isChanged = bits & 2 != 0
    }
}

extension ListPauses {
    package func encode(into writer: inout FrameWriter) {
        writer.record { _ in }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
    }
}

extension PauseList {
    package var frameBytesEstimate: Int { 64 + self.pauses.count * 48 }

    package func encode(into writer: inout FrameWriter) {
        writer.record { $0.write(UInt32(self.pauses.count)) }
        writer.records(self.pauses)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.pauses = try reader.records(try reader.read(), "pauses")
    }
}

extension PauseView: FrameRecord {
    static let bytesMin = 1 + 8 + 2

    func writeFields(to writer: inout FrameWriter) {
        writer.write(self.target.rawValue)
        writer.write(self.since)
        writer.write(self.name)
    }

    init(record reader: inout FrameReader) throws(WireError) {
        self.target = try reader.readCase("target")
        self.since = try reader.readWallTime()
        self.name = try reader.readName("name")
    }
}
