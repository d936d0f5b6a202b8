package import MartletCore
import MartletRuntime
package import MartletStore
import MartletTransport
package import MartletWire
import Synchronization

/// Submits: checked, handed to the commit log, answered once they are durable.
extension ClientService {
    /// What a job takes in memory beside its frame while its submit waits for the store.
    private static let jobOverhead = 192

    /// A submit that has passed all checks.
    private struct Checked {
        let submission: Submission
        /// The jobs; none if the store says which of them may run.
        let prepared: [PreparedJob]
        let bytes: Int
    }

    // MARK: From the clients' channel

    /// - Parameters:
    ///   - workflow: makes the jobs a workflow.
    ///   - batch: makes the jobs callbacks of a batch.
    func take(
        _ submit: Submit, workflow: NewWorkflow? = nil, batch: NewBatch? = nil, _ request: any IncomingRequest
    ) async {
        do {
            let checked = try await self.check(
                submit, workflow: workflow, batch: batch, bytesCount: request.frame.count)
            await self.commitLog.append(
                [.submit(checked.submission)], kind: .intake, jobs: checked.submission.jobs.count,
                bytes: checked.bytes,
                answering: {
                    switch await self.carryOn($0, checked.prepared) {
                    case nil: return nil
                    case .success(let submitted)?: return CommitLog.Answer(submitted, to: request)
                    case .failure(let refusal)?:
                        await self.count(refusal)
                        return CommitLog.Answer(refusal, to: request)
                    }
                })
        } catch {
            self.refuse(request, error)
        }
    }

    func open(_ session: SessionID, _ request: any IncomingRequest) async {
        let payloadMax = UInt32(self.settings.payloadMax)
        self.noteSession()
        await self.commitLog.append([.openSession(session)], kind: .intake, jobs: 0) { result in
            switch result {
            case .failure(let error): await self.refuse(request, Self.refusal(error))
            case .success:
                request.answer(
                    SessionOpened(
                        payloadMax: payloadMax, submitsInFlightMax: UInt32(Submission.windowMax), features: .current))
            }
        }
    }

    // MARK: From elsewhere in the process

    /// Under which name a submit is made: one that comes again under the same creates nothing.
    package enum SubmitName: Sendable {
        /// A name of its own.
        case new
        /// One that its sender knows, so that it can be repeated.
        case known(SessionID, sequence: UInt64)
    }

    /// Creates jobs and returns once they are durable.
    ///
    /// - Parameter bytesCount: what they take in memory.
    /// - Throws: ``ErrorReply``, or `CancellationError` if nobody knows whether it was done.
    package func submit(
        _ jobs: [Submit.Job], _ templates: [JobTemplate], workflow: NewWorkflow? = nil, batch: NewBatch? = nil,
        as name: SubmitName, bytesCount: Int
    ) async throws -> Submitted {
        let unnamed = Submit(session: self.ownSession, sequence: 1, templates: templates, jobs: jobs)
        let checked = try await self.check(unnamed, workflow: workflow, batch: batch, bytesCount: bytesCount)
        // Only now: numbers are used in their order.
        let (session, sequence) = self.place(of: name)
        let submission = Submission(
            session: session, sequence: sequence, jobs: checked.submission.jobs, workflow: workflow, batch: batch)
        let answer = Mutex<Result<Submitted, ErrorReply>?>(nil)
        let result = await self.commitLog.commit(
            [.openSession(session), .submit(submission)], kind: .intake, jobs: jobs.count, bytes: checked.bytes
        ) { result in
            let told = await self.carryOn(result, checked.prepared)
            answer.withLock { $0 = told }
        }
        guard result != nil, let told = answer.withLock({ $0 }) else { throw CancellationError() }
        return try told.get()
    }

    /// Whether a transaction becomes durable, and soon, that a full disk would refuse.
    package func canCommit(within limit: Duration) async -> Bool {
        let isDone = Mutex(false)
        let over = Signal()
        let then: CommitLog.Completion = { result in
            if case .success = result { isDone.withLock { $0 = true } }
            over.notify()
        }
        await self.commitLog.append([.openSession(self.ownSession)], kind: .intake, jobs: 0, then: then)
        let timer = self.loop.schedule(at: self.loop.now + limit) { over.notify() }
        await over.wait()
        self.loop.cancel(timer)
        return isDone.withLock { $0 }
    }

    private func place(of name: SubmitName) -> (SessionID, UInt64) {
        switch name {
        case .new:
            self.lastOwnSubmit += 1
            return (self.ownSession, self.lastOwnSubmit)
        case .known(let session, let sequence):
            self.noteSession()
            return (session, sequence)
        }
    }

    // MARK: Checks

    /// - Parameter bytesCount: how long the frame is.
    private func check(
        _ submit: Submit, workflow: NewWorkflow?, batch: NewBatch?, bytesCount: Int
    ) async throws(ErrorReply) -> Checked {
        let bytes = bytesCount + submit.jobs.count * Self.jobOverhead
        guard await self.commitLog.pendingBytes + bytes <= self.settings.pendingBytesMax else {
            throw ErrorReply(.overloaded, "too many submits wait for the store; retry after a delay")
        }
        let prepared = try self.prepare(submit, of: bytesCount, mayBeEmpty: batch != nil)
        let jobs = prepared.map {
            NewJob(lane: $0.traits.lane, options: $0.traits.options, payload: $0.payload, due: $0.due)
        }
        let submission = Submission(
            session: submit.session, sequence: submit.sequence, jobs: jobs, workflow: workflow, batch: batch)
        return Checked(submission: submission, prepared: submission.isGrouped ? [] : prepared, bytes: bytes)
    }

    /// - Parameter bytesCount: how long the frame is.
    private func prepare(
        _ submit: Submit, of bytesCount: Int, mayBeEmpty: Bool
    ) throws(ErrorReply) -> [PreparedJob] {
        guard mayBeEmpty || !submit.jobs.isEmpty, submit.jobs.count <= self.settings.submitJobsMax else {
            throw ErrorReply(
                .invalidRequest, "a submit holds 1 to \(self.settings.submitJobsMax) jobs, not \(submit.jobs.count)")
        }
        // Jobs are read from the frame each time that they are gone through; a short frame holds no large payload.
        if bytesCount > self.settings.payloadMax, let problem = self.payloadProblem(in: submit) {
            throw problem
        }
        for template in submit.templates {
            if let problem = template.options.problem ?? self.lanes.serviceProblem(of: template.options) {
                throw ErrorReply(.invalidRequest, problem)
            }
        }
        // Only now: a lane that was made once stays.
        var traits: [JobTraits] = []
        for template in submit.templates {
            guard let known = self.lanes.traits(of: template) else {
                throw ErrorReply(
                    .invalidRequest,
                    "queue \(template.queue), type \(template.type) would be lane \(self.settings.lanesMax + 1); the limit is limits.lanesMax"
                )
            }
            traits.append(known)
        }
        return submit.jobs.map { PreparedJob(traits: traits[Int($0.template)], payload: $0.payload, due: $0.due) }
    }

    private func payloadProblem(in submit: Submit) -> ErrorReply? {
        let payloadMax = self.settings.payloadMax
        let tooLarge = submit.jobs.lazy.map(\.payload.count).enumerated().first { $0.element > payloadMax }
        return tooLarge.map { place, count in
            ErrorReply(.payloadTooLarge, "job \(place) of the submit has \(count) bytes; the limit is \(payloadMax)")
        }
    }

    /// The submit is durable, or was refused by the store.
    ///
    /// - Returns: the answer, which goes out behind the jobs; nil if there is none.
    private func carryOn(
        _ result: Result<[ChangeOutcome], StoreError>, _ prepared: [PreparedJob]
    ) async -> Result<Submitted, ErrorReply>? {
        let answer: Result<Submitted, ErrorReply>
        switch result {
        case .failure(let error): answer = .failure(Self.refusal(error))
        case .success(let outcomes):
            guard case .submitted(let outcome) = outcomes.last else { return nil }
            if case .accepted(let first, _, let exceptions) = outcome {
                await self.dispatcher.submitted(first: first, jobs: prepared, exceptions: exceptions)
            }
            answer = Self.answer(outcome)
        }
        return answer
    }

    private static func answer(_ outcome: SubmitOutcome) -> Result<Submitted, ErrorReply> {
        switch outcome {
        case .accepted(let first, let count, let exceptions):
            .success(Submitted(first: first, count: UInt32(count), isRepeat: false, exceptions: exceptions.wire))
        case .repeated(let first, let count, let exceptions):
            .success(Submitted(first: first, count: UInt32(count), isRepeat: true, exceptions: exceptions.wire))
        case .duplicate(let place, let existing):
            .failure(ErrorReply(duplicate: existing, ofJob: place))
        case .batchRefused(let batch, let refusal):
            .failure(ErrorReply(batch, refusal))
        case .sessionExpired:
            .failure(
                ErrorReply(
                    .sessionExpired, "the session is not known, or the submit is older than its window"))
        }
    }

    static func refusal(_ error: StoreError) -> ErrorReply {
        error.code == .diskFull
            ? ErrorReply(.storeFull, "the store has no space: \(error.message)")
            : ErrorReply(.storeUnavailable, "the store refused: \(error.message)")
    }
}

extension [SubmitException] {
    /// As the client is told.
    fileprivate var wire: [Submitted.Exception] {
        self.map { exception in
            let isReplaced = if case .replaced = exception.kind { true } else { false }
            return Submitted.Exception(place: UInt32(exception.place), id: exception.id, isReplaced: isReplaced)
        }
    }
}

extension ErrorReply {
    fileprivate init(_ batch: BatchID, _ refusal: BatchRefusal) {
        let problem =
            switch refusal {
            case .unknown: "is not there: it never was, or it ended and is forgotten"
            case .closed: "is closed and takes no more members"
            case .tooDeep: "is within \(NewBatch.depthMax - 1) others, and no batch may be within more"
            }
        self.init(.batchClosed, "batch \(batch) \(problem)")
    }

    fileprivate init(duplicate existing: JobID?, ofJob place: Int) {
        let owner = existing.map { "job \($0) has" } ?? "another job of the same submit has"
        self.init(.duplicate, "\(owner) the unique key of job \(place) of the submit", existing: existing)
    }
}
