package import MartletCore

extension SubmitWorkflow {
    package var frameBytesEstimate: Int { self.submit.frameBytesEstimate + self.members.count * 48 }

    /// The first record of a ``Submit``, then how many members and the name; the jobs as there, then the members.
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            self.submit.writeHeader(to: &$0)
            $0.write(UInt32(self.members.count))
            $0.write(self.name)
        }
        self.submit.writeLists(to: &writer)
        writer.records(self.members)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        let header = try Submit.Header(from: &reader)
        let count: UInt32 = try reader.read()
        self.name = try reader.readText("name")
        guard count == header.jobCount, count > 0 else {
            throw FrameReader.outOfBounds("members", "must be as many as the jobs, and one at least")
        }
        self.submit = try header.readLists(from: &reader)
        self.members = try reader.list(count, "members", max: Submit.jobsMax)
    }
}

extension WorkflowShape.Member: CheckedRecord {
    package static let bytesMin = 2 + 4
    private static let parentBytes = 4 + 1

    package func writeFields(to writer: inout FrameWriter) {
        writer.write(self.name)
        writer.write(UInt32(self.parents.count))
        for parent in self.parents {
            writer.write(UInt32(clamping: parent.parent))
            writer.write(parent.kind.rawValue)
        }
    }

    package init(record reader: inout FrameReader) throws(WireError) {
        try self.init(from: &reader, keepsLists: true)
    }

    package static func check(record reader: inout FrameReader) throws(WireError) {
        _ = try Self(from: &reader, keepsLists: false)
    }

    private init(from reader: inout FrameReader, keepsLists: Bool) throws(WireError) {
        let name = try reader.readText("members.name")
        let count = try reader.readCount(each: Self.parentBytes, "members.parents")
        var parents: [WorkflowShape.Dependency] = []
        if keepsLists { parents.reserveCapacity(count) }
        for _ in 0..<count {
            let parent: UInt32 = try reader.read()
            let dependency = WorkflowShape.Dependency(
                parent: Int(parent), kind: try reader.readCase("members.parents.kind"))
            if keepsLists { parents.append(dependency) }
        }
        self.init(name: name, parents: parents)
    }
}

extension OpenBatch {
    package static let eventsMax = BatchEvent.allCases.count

    package var frameBytesEstimate: Int { self.submit.frameBytesEstimate + 256 }

    /// The first record of a ``Submit``, then the name and what the callbacks wait for; the callbacks as jobs there.
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            self.submit.writeHeader(to: &$0)
            $0.write(self.parent == nil ? 0 : 1 as UInt8)
            $0.write(self.parent?.rawValue ?? 0)
            $0.write(self.name)
            $0.write(UInt32(self.events.count))
            for event in self.events { $0.write(event.rawValue) }
        }
        self.submit.writeLists(to: &writer)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        let header = try Submit.Header(from: &reader)
        let presence: UInt8 = try reader.read()
        let parent = BatchID(rawValue: try reader.read())
        self.parent = presence & 1 == 0 ? nil : parent
        self.name = try reader.readText("name")
        let count = try reader.readCount(each: 1, "events")
        guard count <= Self.eventsMax, count == header.jobCount else {
            throw FrameReader.outOfBounds("events", "must be as many as the jobs, and each once")
        }
        self.events = []
        for _ in 0..<count { self.events.append(try reader.readCase("events")) }
        self.submit = try header.readLists(from: &reader)
    }
}

/// A message that names a batch and says nothing else.
package protocol BatchQuestion: Message {
    var id: BatchID { get }
    init(id: BatchID)
}

extension BatchQuestion {
    package func encode(into writer: inout FrameWriter) { writer.record { $0.write(self.id.rawValue) } }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.init(id: BatchID(rawValue: try reader.read()))
    }
}

extension BatchView: FrameRecord {
    static let bytesMin = 8 + 1 + 3 * 8 + 6 * 8 + 2

    func writeFields(to writer: inout FrameWriter) {
        writer.write(self.id.rawValue)
        writer.write(
            (self.parent == nil ? 0 : 1) | (self.finishedAt == nil ? 0 : 2) | (self.isClosed ? 4 : 0) as UInt8)
        writer.write(self.parent?.rawValue ?? 0)
        writer.write(self.createdAt)
        writer.write(self.finishedAt?.microseconds ?? 0)
        for count in [self.total, self.pending, self.succeeded, self.dead, self.cancelled, self.expired] {
            writer.write(count)
        }
        writer.write(self.name)
    }

    init(record reader: inout FrameReader) throws(WireError) {
        let id = BatchID(rawValue: try reader.read())
        let presence: UInt8 = try reader.read()
        let parent = BatchID(rawValue: try reader.read())
        let createdAt = try reader.readWallTime()
        let finishedAt = try reader.readWallTime()
        let total: UInt64 = try reader.read()
        let pending: UInt64 = try reader.read()
        let succeeded: UInt64 = try reader.read()
        let dead: UInt64 = try reader.read()
        let cancelled: UInt64 = try reader.read()
        let expired: UInt64 = try reader.read()
        self.init(
            id: id, name: try reader.readText("batches.name"), parent: presence & 1 == 0 ? nil : parent,
            createdAt: createdAt, finishedAt: presence & 2 == 0 ? nil : finishedAt, isClosed: presence & 4 != 0)
        self.total = total
        self.pending = pending
        self.succeeded = succeeded
        self.dead = dead
        self.cancelled = cancelled
        self.expired = expired
    }
}

extension BatchDetail {
    package func encode(into writer: inout FrameWriter) { writer.records([self.batch]) }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.batch = try BatchView(record: &reader)
    }
}

extension ListBatches {
    package func encode(into writer: inout FrameWriter) {
        writer.writePage(before: self.before?.rawValue, limit: self.limit)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        let page = try reader.readPage()
        self.before = page.before.map(BatchID.init(rawValue:))
        self.limit = page.limit
    }
}

extension ListWorkflows {
    package func encode(into writer: inout FrameWriter) {
        writer.writePage(before: self.before?.rawValue, limit: self.limit)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        let page = try reader.readPage()
        self.before = page.before.map(JobID.init(rawValue:))
        self.limit = page.limit
    }
}

extension BatchList {
    package func encode(into writer: inout FrameWriter) {
        writer.record { $0.write(UInt32(self.batches.count)) }
        writer.records(self.batches)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.batches = try reader.records(try reader.read(), "batches")
    }
}

extension WorkflowList {
    package func encode(into writer: inout FrameWriter) {
        writer.record { $0.write(UInt32(self.workflows.count)) }
        writer.records(self.workflows)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.workflows = try reader.records(try reader.read(), "workflows")
    }
}

extension ShowWorkflow {
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.id)
            $0.write(self.after?.rawValue ?? 0)
            $0.write(self.limit)
        }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.id = try reader.readJobID()
        let after = try reader.readJobID()
        self.after = after.rawValue == 0 ? nil : after
        self.limit = try reader.read()
        guard self.limit <= ListJobs.limitMax else {
            throw FrameReader.outOfBounds("limit", "must be at most \(ListJobs.limitMax)")
        }
    }
}

extension WorkflowView: FrameRecord {
    static let bytesMin = 8 + 1 + 2 * 8 + 3 * 4 + 2

    func writeFields(to writer: inout FrameWriter) {
        writer.write(self.id)
        writer.write(self.finishedAt == nil ? 0 : 1 as UInt8)
        writer.write(self.createdAt)
        writer.write(self.finishedAt?.microseconds ?? 0)
        writer.write(self.total)
        writer.write(self.open)
        writer.write(self.failed)
        writer.write(self.name)
    }

    init(record reader: inout FrameReader) throws(WireError) {
        self.id = try reader.readJobID()
        let presence: UInt8 = try reader.read()
        self.createdAt = try reader.readWallTime()
        let finishedAt = try reader.readWallTime()
        self.finishedAt = presence & 1 == 0 ? nil : finishedAt
        self.total = try reader.read()
        self.open = try reader.read()
        self.failed = try reader.read()
        self.name = try reader.readText("workflows.name")
    }
}

extension WorkflowDetail {
    package var frameBytesEstimate: Int { 128 + self.members.count * 320 }

    /// The records of the jobs stand behind those of the members, so that they can grow as they do in a ``JobList``.
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            self.workflow.writeFields(to: &$0)
            $0.write(self.next?.rawValue ?? 0)
            $0.write(UInt32(self.members.count))
        }
        for member in self.members {
            writer.record {
                $0.write(member.name)
                $0.write(UInt32(member.parents.count))
                for parent in member.parents {
                    $0.write(parent.id)
                    $0.write(parent.kind.rawValue)
                }
            }
        }
        writer.records(self.members.map(\.job))
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.workflow = try WorkflowView(record: &reader)
        let next = try reader.readJobID()
        self.next = next.rawValue == 0 ? nil : next
        let count: UInt32 = try reader.read()
        let steps = try reader.records(count, of: Step.self, "members", max: Int(ListJobs.limitMax))
        let jobs = try reader.records(count, of: JobView.self, "jobs", max: Int(ListJobs.limitMax))
        self.members = zip(steps, jobs).map { Member(name: $0.name, parents: $0.parents, job: $1) }
    }

    private struct Step: FrameRecord {
        static let bytesMin = 2 + 4
        let name: String
        let parents: [Parent]

        init(record reader: inout FrameReader) throws(WireError) {
            self.name = try reader.readText("members.name")
            var parents: [Parent] = []
            for _ in 0..<(try reader.readCount(each: 8 + 1, "members.parents")) {
                let id = try reader.readJobID()
                parents.append(Parent(id: id, kind: try reader.readCase("members.parents.kind")))
            }
            self.parents = parents
        }

        func writeFields(to writer: inout FrameWriter) { preconditionFailure("is only read") }
    }
}

extension FrameReader {
    /// How many elements of at least `each` bytes follow in the record.
    fileprivate mutating func readCount(each: Int, _ name: String) throws(WireError) -> Int {
        let count = Int(try self.read(UInt32.self))
        guard count <= self.bytesLeft / each else { throw Self.outOfBounds(name, "is longer than its record") }
        return count
    }

    fileprivate mutating func readPage() throws(WireError) -> (before: UInt64?, limit: UInt32) {
        try self.nextRecord()
        let before: UInt64 = try self.read()
        let limit: UInt32 = try self.read()
        guard (1...ListJobs.limitMax).contains(limit) else {
            throw Self.outOfBounds("limit", "must be 1 to \(ListJobs.limitMax)")
        }
        return (before == 0 ? nil : before, limit)
    }
}

extension FrameWriter {
    fileprivate mutating func writePage(before: UInt64?, limit: UInt32) {
        self.record {
            $0.write(before ?? 0)
            $0.write(limit)
        }
    }
}
