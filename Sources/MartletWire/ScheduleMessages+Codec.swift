import MartletCore

/// A definition is three records: its times and rules, its template, its payload.
extension ScheduleDefinition {
    var bytesEstimate: Int { 512 + self.payload.count }

    func write(to writer: inout FrameWriter) {
        let rules = self.rules
        writer.record {
            $0.write(self.name)
            $0.write(self.recurrence)
            $0.write(self.zone)
            $0.write(self.daylightSaving.wire)
            $0.write(rules.overlap.wire)
            $0.write(rules.missed.wire.kind)
            $0.write(rules.missed.wire.max)
            $0.write((rules.start == nil ? 0 : 1) | (rules.end == nil ? 0 : 2) as UInt8)
            $0.write(rules.lateMax)
            $0.write(rules.jitter)
            $0.write(rules.start?.microseconds ?? 0)
            $0.write(rules.end?.microseconds ?? 0)
            $0.write(self.anchor)
        }
        writer.records([self.template])
        writer.record { $0.write(self.payload) }
    }

    init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        let name = try reader.readName("name")
        let recurrence = try reader.readText("recurrence")
        let zone = try reader.readText("zone")
        let daylightSaving = try DaylightSaving(wire: try reader.read())
        let overlap = try OverlapPolicy(wire: try reader.read())
        let missedKind: UInt8 = try reader.read()
        let missed = try MissedRunPolicy(wire: missedKind, max: try reader.read())
        let presence: UInt8 = try reader.read()
        let lateMax = try reader.readDuration()
        let jitter = try reader.readDuration()
        let start = try reader.readWallTime()
        let end = try reader.readWallTime()
        let anchor = try reader.readWallTime()
        let (first, last) = (presence & 1 == 0 ? nil : start, presence & 2 == 0 ? nil : end)
        if let problem = ScheduleRules.problem(
            missed: missed, lateMax: lateMax, jitter: jitter, start: first, end: last)
        {
            throw FrameReader.outOfBounds("rules", problem)
        }
        let templates: [JobTemplate] = try reader.records(1, "template")
        try reader.nextRecord()
        self.init(
            name: name, recurrence: recurrence, zone: zone, daylightSaving: daylightSaving, anchor: anchor,
            rules: ScheduleRules(
                missed: missed, lateMax: lateMax, overlap: overlap, jitter: jitter, start: first, end: last),
            template: templates[0], payload: try reader.readBytes())
    }
}

extension DaylightSaving {
    fileprivate var wire: UInt8 {
        switch self {
        case .once: 1
        case .skip: 2
        case .twice: 3
        }
    }

    fileprivate init(wire: UInt8) throws(WireError) {
        guard let known = Self.allCases.first(where: { $0.wire == wire }) else {
            throw FrameReader.outOfBounds("daylightSaving", "has an unknown value")
        }
        self = known
    }
}

extension OverlapPolicy {
    fileprivate var wire: UInt8 {
        switch self {
        case .allow: 1
        case .skip: 2
        case .queueOne: 3
        }
    }

    fileprivate init(wire: UInt8) throws(WireError) {
        switch wire {
        case 1: self = .allow
        case 2: self = .skip
        case 3: self = .queueOne
        default: throw FrameReader.outOfBounds("overlap", "has an unknown value")
        }
    }
}

extension MissedRunPolicy {
    fileprivate var wire: (kind: UInt8, max: UInt32) {
        switch self {
        case .skip: (1, 0)
        case .latest: (2, 0)
        case .all(let max): (3, UInt32(max))
        }
    }

    fileprivate init(wire kind: UInt8, max: UInt32) throws(WireError) {
        switch kind {
        case 1: self = .skip
        case 2: self = .latest
        case 3: self = .all(max: Int(max))
        default: throw FrameReader.outOfBounds("missed", "has an unknown value")
        }
    }
}

extension PutSchedule {
    package var frameBytesEstimate: Int { self.definition.bytesEstimate }

    package func encode(into writer: inout FrameWriter) { self.definition.write(to: &writer) }

    package init(from reader: inout FrameReader) throws(WireError) {
        self.definition = try ScheduleDefinition(from: &reader)
    }
}

extension SchedulePut {
    package func encode(into writer: inout FrameWriter) {
        writer.record { $0.write(self.isChanged ? 1 : 0 as UInt8) }
        writer.records([self.view])
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.isChanged = try reader.read(UInt8.self) & 1 != 0
        self.view = try reader.records(1, of: ScheduleView.self, "schedule")[0]
    }
}

extension ScheduleView: FrameRecord {
    static let bytesMin = 6 * 2 + 2 + 1 + 4 * 8 + 3 * 8

    func writeFields(to writer: inout FrameWriter) {
        writer.write(self.name)
        writer.write(self.recurrence)
        writer.write(self.zone)
        writer.write(self.type)
        writer.write(self.queue)
        writer.write(self.problem)
        writer.write(self.origin.rawValue)
        writer.write(self.isPaused ? 1 : 0 as UInt8)
        writer.write(
            (self.next == nil ? 0 : 1) | (self.lastJob == nil ? 0 : 2) | (self.queued == nil ? 0 : 4) as UInt8)
        writer.write(self.handledThrough)
        writer.write(self.next?.microseconds ?? 0)
        writer.write(self.lastJob?.rawValue ?? 0)
        writer.write(self.queued?.microseconds ?? 0)
        writer.write(self.firedTotal)
        writer.write(self.skippedTotal)
        writer.write(self.missedTotal)
    }

    init(record reader: inout FrameReader) throws(WireError) {
        self.name = try reader.readName("name")
        self.recurrence = try reader.readText("recurrence")
        self.zone = try reader.readText("zone")
        self.type = try reader.readText("type")
        self.queue = try reader.readText("queue")
        self.problem = try reader.readText("problem")
        self.origin = try reader.readCase("origin")
        self.isPaused = try reader.read(UInt8.self) & 1 != 0
        let presence: UInt8 = try reader.read()
        self.handledThrough = try reader.readWallTime()
        let next = try reader.readWallTime()
        let lastJob = try reader.readJobID()
        let queued = try reader.readWallTime()
        self.next = presence & 1 == 0 ? nil : next
        self.lastJob = presence & 2 == 0 ? nil : lastJob
        self.queued = presence & 4 == 0 ? nil : queued
        self.firedTotal = try reader.read()
        self.skippedTotal = try reader.read()
        self.missedTotal = try reader.read()
    }
}

extension ListSchedules {
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.limit)
            $0.write(self.after)
        }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.limit = try reader.read()
        self.after = try reader.readText("after")
        guard self.limit > 0, self.limit <= Self.limitMax else {
            throw FrameReader.outOfBounds("limit", "must be 1 to \(Self.limitMax)")
        }
    }
}

extension ScheduleList {
    package var frameBytesEstimate: Int { 64 + self.schedules.count * 256 }

    package func encode(into writer: inout FrameWriter) {
        writer.record { $0.write(UInt32(self.schedules.count)) }
        writer.records(self.schedules)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.schedules = try reader.records(try reader.read(), "schedules")
    }
}

extension ShowSchedule {
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.nextMax)
            $0.write(self.runsMax)
            $0.write(self.name)
        }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.nextMax = try reader.read()
        self.runsMax = try reader.read()
        self.name = try reader.readName("name")
        guard self.nextMax <= Self.listMax, self.runsMax <= Self.listMax else {
            throw FrameReader.outOfBounds("nextMax, runsMax", "must be at most \(Self.listMax)")
        }
    }
}

extension ScheduleRunView: FrameRecord {
    static let bytesMin = 16

    func writeFields(to writer: inout FrameWriter) {
        writer.write(self.instant)
        writer.write(self.job)
    }

    init(record reader: inout FrameReader) throws(WireError) {
        self.instant = try reader.readWallTime()
        self.job = try reader.readJobID()
    }
}

/// An instant in a record of its own.
private struct InstantRecord: FrameRecord {
    static let bytesMin = 8
    let instant: WallTime

    init(_ instant: WallTime) {
        self.instant = instant
    }

    func writeFields(to writer: inout FrameWriter) { writer.write(self.instant) }

    init(record reader: inout FrameReader) throws(WireError) { self.instant = try reader.readWallTime() }
}

extension ScheduleDetail {
    package var frameBytesEstimate: Int {
        512 + self.definition.bytesEstimate + self.next.count * 12 + self.runs.count * 20
    }

    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(UInt32(self.next.count))
            $0.write(UInt32(self.runs.count))
        }
        writer.records([self.view])
        self.definition.write(to: &writer)
        writer.records(self.next.map { InstantRecord($0) })
        writer.records(self.runs)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        let nextCount: UInt32 = try reader.read()
        let runCount: UInt32 = try reader.read()
        self.view = try reader.records(1, of: ScheduleView.self, "schedule")[0]
        self.definition = try ScheduleDefinition(from: &reader)
        self.next = try reader.records(nextCount, of: InstantRecord.self, "next").map(\.instant)
        self.runs = try reader.records(runCount, "runs")
    }
}

extension ChangeSchedule {
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.action.rawValue)
            $0.write(self.name)
        }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.action = try reader.readCase("action")
        self.name = try reader.readName("name")
    }
}

extension ScheduleChanged {
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.isChanged ? 1 : 0 as UInt8)
            $0.write(self.passed)
        }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.isChanged = try reader.read(UInt8.self) & 1 != 0
        self.passed = try reader.read()
    }
}

extension RunSchedule {
    package func encode(into writer: inout FrameWriter) {
        let (kind, from, to): (UInt8, WallTime, WallTime) =
            switch self.wish {
            case .now(let time): (1, time, time)
            case .range(let from, let to): (2, from, to)
            }
        writer.record {
            $0.write(kind)
            $0.write(from)
            $0.write(to)
            $0.write(self.name)
        }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        let kind: UInt8 = try reader.read()
        let from = try reader.readWallTime()
        let to = try reader.readWallTime()
        self.name = try reader.readName("name")
        switch kind {
        case 1: self.wish = .now(from)
        case 2:
            guard from < to else { throw FrameReader.outOfBounds("from", "must be before to") }
            self.wish = .range(from, to)
        default: throw FrameReader.outOfBounds("kind", "has an unknown value")
        }
    }
}

extension ScheduleRan {
    package var frameBytesEstimate: Int { 64 + self.runs.count * 20 }

    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(UInt32(self.runs.count))
            $0.write(self.existing)
            $0.write(self.forgotten)
            $0.write(self.pending)
        }
        writer.records(self.runs)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        let count: UInt32 = try reader.read()
        self.existing = try reader.read()
        self.forgotten = try reader.read()
        self.pending = try reader.read()
        self.runs = try reader.records(count, "runs")
    }
}
