package import MartletCore
import MartletRuntime
import MartletStore
import MartletTransport
package import MartletWire

extension ClientService {
    func answer(_ question: ServiceRequest, _ request: any IncomingRequest) async throws {
        switch question {
        case .set(let change): request.answer(try await self.services.set(change))
        case .list(let list): request.answer(await self.services.list(list))
        case .explainJob(let explain):
            request.answer(try await self.explain(explain.id))
        case .explainQueue(let explain): request.answer(try await self.explain(explain.name))
        }
    }

    // MARK: Jobs

    /// - Throws: ``ErrorReply`` with `notFound`, or ``StoreError``.
    package func explain(_ id: JobID) async throws -> JobExplanation {
        guard let (record, _) = try await self.store.job(id) else { throw Self.missing(id) }
        let view = self.view(record, holders: await self.registry.holders())
        if view.state.isTerminal {
            return JobExplanation(state: view.state, reason: .over, since: view.finishedAt)
        }
        if let node = view.node {
            return JobExplanation(
                state: view.state, reason: WaitReason(await self.registry.place(of: id, on: node)), subject: node)
        }
        if view.waits > 0 || view.state == .blocked {
            return JobExplanation(
                state: view.state, reason: .dependencies, since: view.createdAt, ahead: UInt64(view.waits))
        }
        if view.state == .scheduled, let due = view.due {
            return JobExplanation(state: .scheduled, reason: .due, startsIn: due - self.loop.wallTime)
        }
        guard let lane = self.lanes.id(of: record.lane) else { throw Self.missing(id) }
        if await self.dispatcher.isSuspect(id) { return JobExplanation(state: .ready, reason: .alone) }
        let share = record.options.share
        guard let waiting = await self.dispatcher.waiting(id, lane: lane, share: share) else {
            return JobExplanation(state: view.state, reason: .running)
        }
        return self.explanation(of: waiting, record, share: share)
    }

    private func explanation(
        of waiting: DispatchCore.Waiting, _ record: JobRecord, share: LaneShare?
    ) -> JobExplanation {
        let now = self.loop.now
        let lane = record.lane
        var reason = WaitReason(waiting.blocker)
        // Nothing but a slot is missing for the first of its lane.
        if reason == .slot, waiting.ahead > 0 { reason = .order }
        return JobExplanation(
            state: .ready, reason: reason,
            subject: Self.subject(of: waiting.blocker, queue: lane.queue, type: lane.type, share: share),
            since: Self.isOwnTurn(reason)
                ? record.due ?? record.createdAt : self.loop.wallTime - (now - waiting.since),
            ahead: UInt64(waiting.ahead),
            missing: UInt64(waiting.missing), startsIn: waiting.startsAt.map { max($0 - now, .zero) })
    }

    /// It waits for its turn since it is ready: what others get meanwhile ends nothing of it.
    private static func isOwnTurn(_ reason: WaitReason) -> Bool {
        switch reason {
        case .order, .slot, .serviceTokens, .serviceKeyTokens: true
        default: false
        }
    }

    private static func subject(
        of blocker: DispatchCore.Blocker, queue: String, type: String, share: LaneShare?
    ) -> String {
        switch blocker {
        case .queuePaused, .queueCap: queue
        case .typePaused, .typeCap, .nobodyServesIt: type
        case .keyCap, .keyOrder: share?.key ?? ""
        case .none, .recovery, .loading, .alone: ""
        case .service(let name, let held):
            switch held?.kind {
            case .keyTokens, .keyConcurrency:
                "\(name)/\(share?.services?.value.first { $0.service == name }?.key ?? "")"
            default: name
            }
        }
    }

    // MARK: Queues

    package func explain(_ queue: String) async throws -> QueueExplanation {
        let parts = await self.dispatcher.backlog(of: queue)
        let now = self.loop.now
        var merged: [String: QueueExplanation.Part] = [:]
        var (runnable, blocked) = (UInt64(0), UInt64(0))
        for part in parts {
            let reason = WaitReason(part.blocker)
            let count = UInt64(part.count)
            if reason.isRunnable { runnable += count } else { blocked += count }
            let share = LaneShare(key: part.key)
            let subject = Self.subject(of: part.blocker, queue: queue, type: part.type, share: share)
            var startsIn: Duration?
            if case .service(_, let held) = part.blocker { startsIn = held?.until.map { max($0 - now, .zero) } }
            let name = "\(reason.rawValue) \(subject)"
            var known =
                merged[name]
                ?? QueueExplanation.Part(reason: reason, subject: subject, count: 0, startsIn: startsIn)
            known.count += count
            if let startsIn { known.startsIn = min(known.startsIn ?? startsIn, startsIn) }
            merged[name] = known
        }
        let held = await self.registry.heldByLane()
        let running = self.lanes.keys.enumerated().reduce(0) { sum, lane in
            lane.element.queue == queue ? sum + (held[LaneID(rawValue: UInt32(lane.offset))] ?? 0) : sum
        }
        let sorted = merged.values.sorted {
            ($1.count, $0.reason.rawValue, $0.subject) < ($0.count, $1.reason.rawValue, $1.subject)
        }
        return QueueExplanation(
            runnable: runnable, blocked: blocked, running: UInt64(running),
            parts: Array(sorted.prefix(QueueExplanation.partsMax)))
    }
}

extension WaitReason {
    init(_ place: HeldPlace) {
        self =
            switch place {
            case .running: .running
            case .waiting: .prefetched
            case .askedBack: .askedBack
            }
    }

    package init(_ blocker: DispatchCore.Blocker) {
        self =
            switch blocker {
            case .none: .slot
            case .nobodyServesIt: .unserved
            case .queuePaused: .queuePaused
            case .typePaused: .typePaused
            case .queueCap: .queueCap
            case .typeCap: .typeCap
            case .keyCap: .keyCap
            case .keyOrder: .keyOrder
            case .recovery: .recovery
            case .loading: .loading
            case .alone: .alone
            case .service(_, let held): WaitReason(held)
            }
    }
}
