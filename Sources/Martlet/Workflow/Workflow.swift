public import MartletCore
import MartletRuntime

/// Jobs of which some wait for others: a chain, a fan-out and fan-in, any graph without a cycle.
///
/// ```swift
/// var workflow = Workflow("video 7")
/// let encode = workflow.add(Encode(video: 7))
/// let thumbnails = workflow.add(Thumbnails(video: 7), after: encode)
/// let transcript = workflow.add(Transcribe(video: 7), after: encode)
/// workflow.add(Publish(video: 7), after: thumbnails, transcript)
/// workflow.add(Apologise(video: 7), after: .onFailure(of: encode))
/// let handle = try await client.submit(workflow)
/// ```
///
/// A workflow is submitted whole or not at all. A job whose parent ends without success is cancelled, and all that wait
/// for it in turn, unless it was added ``Step/onEnd(_:)`` or ``Step/onFailure(of:)``. It finds what its parents left
/// in ``JobContext/parents``.
///
/// Up to 10,000 jobs with up to 100,000 dependencies, 6 MiB of payloads in all and 1,024 different types, queues and
/// options; a unique key or a tag of its own makes a job's options different. A job's unique key must be free,
/// whatever its ``UniqueKey/conflict`` says.
public struct Workflow: Sendable {
    /// A job of a workflow, as what another one waits for.
    public struct Step: Hashable, Sendable {
        /// Unique in the workflow.
        public let name: String
        let place: Int
        let workflow: String
        let kind: DependencyKind

        /// Goes on however the other one ended.
        public static func onEnd(_ step: Step) -> Step { step.with(.onEnd) }

        /// Goes on if the other one did not succeed, to make up for it; is cancelled as not needed if it did.
        public static func onFailure(of step: Step) -> Step { step.with(.onFailure) }

        private func with(_ kind: DependencyKind) -> Step {
            Step(name: self.name, place: self.place, workflow: self.workflow, kind: kind)
        }
    }

    struct Member: Sendable {
        let template: JobTemplate
        let payload: Bytes
        let delay: Duration?
        /// Instead of a delay.
        let time: WallTime?
    }

    /// For people: 1 to 128 bytes.
    public let name: String
    var members: [Member] = []
    private(set) var shape = WorkflowShape()
    /// The first thing that was wrong with what was added: ``Client/submit(_:)`` throws it.
    private(set) var problem: MartletError?
    private var names: [String: Int] = [:]

    package static let payloadsMax = 6 << 20

    public init(_ name: String) {
        self.name = name
    }

    public var count: Int { self.members.count }

    /// Adds a job.
    ///
    /// - Parameters:
    ///   - name: unique in the workflow, rules as for ``Job/type``. Unless given, the job's type, with a number behind it
    ///     if there is such a one already.
    ///   - parents: what it waits for; it may run at once if there are none.
    ///   - delay: it may run that long after the submit at the earliest.
    @discardableResult
    public mutating func add<J: Job>(
        _ job: J, name: String? = nil, after parents: Step..., queue: String? = nil, options: JobOptions? = nil,
        delay: Duration? = nil
    ) -> Step {
        self.add(job, name: name, after: parents, queue: queue, options: options, delay: delay)
    }

    /// As ``add(_:name:after:queue:options:delay:)-(_,_,Step...,_,_,_)``, for parents in an array.
    @discardableResult
    public mutating func add<J: Job>(
        _ job: J, name: String? = nil, after parents: [Step], queue: String? = nil, options: JobOptions? = nil,
        delay: Duration? = nil
    ) -> Step {
        do throws(MartletError) {
            return self.add(
                try JobTemplate(checking: J.type, queue: queue ?? J.queue, options: options ?? J.options),
                try PayloadCoding.encode(job), name: name, delay: delay, after: parents)
        } catch {
            return self.fail(error, name: name ?? J.type)
        }
    }

    /// Adds a job of bytes.
    @discardableResult
    public mutating func add(raw job: RawJob, name: String? = nil, after parents: [Step] = []) -> Step {
        do throws(MartletError) {
            return self.add(
                try JobTemplate(checking: job.type, queue: job.queue, options: job.options), job.payload.bytes,
                name: name, delay: job.delay, at: job.time, after: parents)
        } catch {
            return self.fail(error, name: name ?? job.type)
        }
    }

    /// Lets a job that was added wait for others too.
    public mutating func order(_ step: Step, after parents: Step...) {
        guard self.isOwn(step) else { return }
        self.shape.members[step.place].parents += self.dependencies(of: step.name, on: parents)
    }

    /// Jobs that run one after the other, each if the one before it has succeeded.
    public static func chain<each J: Job>(_ name: String, _ jobs: repeat each J) -> Workflow {
        var workflow = Workflow(name)
        var last: [Step] = []
        for job in repeat each jobs { last = [workflow.add(job, after: last)] }
        return workflow
    }

    // MARK: Parts

    private mutating func add(
        _ template: JobTemplate, _ payload: Bytes, name: String?, delay: Duration?, at time: WallTime? = nil,
        after parents: [Step]
    ) -> Step {
        let name = name ?? self.freeName(template.type)
        self.names[name, default: 0] += 1
        let step = Step(name: name, place: self.members.count, workflow: self.name, kind: .onSuccess)
        self.members.append(Member(template: template, payload: payload, delay: delay, time: time))
        self.shape.members.append(
            WorkflowShape.Member(name: name, parents: self.dependencies(of: name, on: parents)))
        return step
    }

    private mutating func freeName(_ type: String) -> String {
        guard let count = self.names[type] else { return type }
        var number = count + 1
        while self.names["\(type)-\(number)"] != nil { number += 1 }
        // Where to look next time.
        self.names[type] = number - 1
        return "\(type)-\(number)"
    }

    private mutating func dependencies(of name: String, on parents: [Step]) -> [WorkflowShape.Dependency] {
        parents.compactMap { parent in
            guard self.isOwn(parent) else { return nil }
            return WorkflowShape.Dependency(parent: parent.place, kind: parent.kind)
        }
    }

    /// A step of another workflow is noted as what is wrong.
    private mutating func isOwn(_ step: Step) -> Bool {
        if step.workflow == self.name, self.shape.members.indices.contains(step.place),
            self.shape.members[step.place].name == step.name
        {
            return true
        }
        _ = self.fail(
            MartletError(.invalidRequest, "\"\(step.name)\" is no job of the workflow \"\(self.name)\""), name: "")
        return false
    }

    private mutating func fail(_ error: MartletError, name: String) -> Step {
        self.problem = self.problem ?? error
        return Step(name: name, place: -1, workflow: self.name, kind: .onSuccess)
    }
}
