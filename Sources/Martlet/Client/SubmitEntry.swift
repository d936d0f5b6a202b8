import MartletCore
import MartletWire

/// What the jobs of one call are together.
enum SubmitGroup: Sendable {
    case workflow(name: String, shape: WorkflowShape)
    /// The jobs are its callbacks.
    case batch(name: String, parent: BatchID?, events: [BatchEvent])
}

/// The jobs of one call, on their way into a frame.
struct SubmitEntry: Sendable {
    /// Numbers the calls of one client, from 1.
    typealias ID = UInt64

    static let jobsMax = Submit.jobsMax
    static let templatesMax = Submit.templatesMax
    /// A frame may be up to twice as long: one whose entries reached this is not filled further.
    static let bytesMax = 2 << 20
    private static let jobOverhead = 24
    private static let templateOverhead = 320

    var id: ID = 0
    var deadline = Instant.distantFuture
    /// It was refused together with others: to be sent by itself, so that the refusal meets who deserves it.
    var isAlone = false
    /// Set for jobs that go in a frame of their own.
    var group: SubmitGroup? { didSet { self.isAlone = self.isAlone || self.group != nil } }
    private(set) var templates: [JobTemplate] = []
    private(set) var jobs: [Submit.Job] = []
    /// About what it takes in a frame.
    private(set) var bytesCount = 0
    private(set) var longestPayload = 0
    /// Where each of `templates` is, once there are too many to look through.
    private var places: [JobTemplate: Int] = [:]
    /// Up to so many templates looking through them is faster than hashing.
    private static let lookedThroughMax = 8

    /// How many ids it gets: one a job, and one for a batch, the first.
    var idCount: Int { if case .batch = self.group { self.jobs.count + 1 } else { self.jobs.count } }

    /// It needs a coordinator that knows more options than version 0.1.0.
    var hasRareOptions: Bool { self.templates.contains { $0.options.rareOptions != nil } }

    var isFull: Bool { self.jobs.count >= Self.jobsMax || self.bytesCount >= Self.bytesMax }

    func hasRoom(for payload: Bytes) -> Bool {
        self.jobs.isEmpty
            || self.jobs.count < Self.jobsMax && self.templates.count < Self.templatesMax
                && self.bytesCount + payload.count + Self.jobOverhead <= Self.bytesMax
    }

    /// Whether a job of the template may be added to a frame that must not be parted.
    func hasRoom(for template: JobTemplate) -> Bool {
        self.templates.count < Self.templatesMax || self.place(of: template) != nil
    }

    mutating func reserve(_ count: Int) {
        self.jobs.reserveCapacity(min(count, Self.jobsMax))
    }

    /// Names the jobs anew. The number of templates stays.
    mutating func replaceTemplates(_ replacement: (JobTemplate) -> JobTemplate) {
        self.templates = self.templates.map(replacement)
        self.places = [:]
    }

    private func place(of template: JobTemplate) -> Int? {
        self.places.isEmpty ? self.templates.firstIndex(of: template) : self.places[template]
    }

    mutating func append(_ template: JobTemplate, due: WallTime?, payload: Bytes) {
        let index: Int
        if let last = self.jobs.last, self.templates[Int(last.template)] == template {
            index = Int(last.template)
        } else if let known = self.place(of: template) {
            index = known
        } else {
            index = self.templates.count
            self.templates.append(template)
            if self.templates.count > Self.lookedThroughMax {
                if self.places.isEmpty { self.places = [JobTemplate: Int](self.templates) }
                self.places[template] = index
            }
            self.bytesCount += Self.templateOverhead
        }
        self.jobs.append(Submit.Job(template: UInt16(index), due: due, payload: payload))
        self.bytesCount += payload.count + Self.jobOverhead
        self.longestPayload = max(self.longestPayload, payload.count)
    }
}

extension [SubmitEntry] {
    /// The frame that submits them all.
    func frame(session: SessionID, sequence: UInt64) -> Bytes {
        let submit = Submit(session: session, sequence: sequence, merging: self)
        switch self[0].group {
        case nil: return submit.encoded()
        case .workflow(let name, let shape): return SubmitWorkflow(name: name, submit: submit, shape: shape).encoded()
        case .batch(let name, let parent, let events):
            return OpenBatch(name: name, parent: parent, submit: submit, events: events).encoded()
        }
    }
}

extension Submit {
    /// The jobs of all `entries`, in order; what they have in common is named once.
    init(session: SessionID, sequence: UInt64, merging entries: [SubmitEntry]) {
        guard entries.count > 1 else {
            self.init(
                session: session, sequence: sequence, templates: entries[0].templates, jobs: entries[0].jobs)
            return
        }
        var templates: [JobTemplate] = []
        var places: [JobTemplate: UInt16] = [:]
        var jobs: [Submit.Job] = []
        jobs.reserveCapacity(entries.reduce(0) { $0 + $1.jobs.count })
        for entry in entries {
            let map = entry.templates.map { template in
                if let place = places[template] { return place }
                let place = UInt16(templates.count)
                templates.append(template)
                places[template] = place
                return place
            }
            for var job in entry.jobs {
                job.template = map[Int(job.template)]
                jobs.append(job)
            }
        }
        self.init(session: session, sequence: sequence, templates: templates, jobs: jobs)
    }
}

extension [JobTemplate: Int] {
    fileprivate init(_ templates: [JobTemplate]) {
        self.init(uniqueKeysWithValues: zip(templates, 0...))
    }
}
