package import MartletCore
package import MartletObservability
package import MartletRuntime
package import MartletStore
package import MartletWire

/// Has the limits of services changed while the cluster runs: durable, in force at once on all nodes, with a record of who
/// changed what.
package actor ServiceDesk {
    private let loop: EventLoop
    private let commitLog: CommitLog
    private let dispatcher: Dispatcher
    private let lanes: LaneDirectory
    private let log: Log
    /// What `cluster.json` says.
    private var configured: [String: ServiceLimits]
    /// The most that a job takes whose type says what it uses, by service.
    private let weights: [String: Int]
    private var records: [String: ServiceRecord] = [:]
    /// In the order in which they were made.
    private var changes: [ServiceChange]
    /// Services whose change is being committed.
    private var changing: Set<String> = []

    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }

    package init(
        loop: EventLoop, settings: CoordinatorSettings, opening: StoreOpening, commitLog: CommitLog,
        dispatcher: Dispatcher, lanes: LaneDirectory, log: Log
    ) {
        self.loop = loop
        self.commitLog = commitLog
        self.dispatcher = dispatcher
        self.lanes = lanes
        self.log = log
        self.configured = settings.services
        var weights: [String: Int] = [:]
        for type in settings.typeDefaults.values {
            for use in type.services { weights[use.service] = max(weights[use.service] ?? 1, use.weight) }
        }
        self.weights = weights
        self.changes = opening.serviceChanges
        for record in opening.services { self.records[record.name] = record }
    }

    /// Has in force what was set before. To be called before the dispatcher gets jobs.
    ///
    /// - Parameter closings: services that asked to be left alone.
    package func begin(_ closings: [ServiceClosing]) async {
        for name in self.records.keys.sorted() { await self.enforce(name) }
        for closing in closings {
            guard let left = closing.left(at: self.loop.wallTime) else { continue }
            await self.dispatcher.close(service: closing.name, for: left)
        }
    }

    private func limits(of name: String) -> ServiceLimits? { self.records[name]?.limits ?? self.configured[name] }

    private func enforce(_ name: String) async {
        let limits = self.limits(of: name)
        self.lanes.services[name] = limits
        await self.dispatcher.setService(name, limits: limits, isPaused: self.records[name]?.isPaused ?? false)
    }

    // MARK: Changes

    package func set(_ request: SetService) async throws -> ServiceSet {
        if let problem = ServiceUse.problem(name: request.name) {
            throw ErrorReply(.invalidRequest, "the service's name \(problem)")
        }
        guard self.changing.insert(request.name).inserted else {
            throw ErrorReply(.unavailable, "another change of service \(request.name) is under way; retry")
        }
        defer { self.changing.remove(request.name) }
        let before = self.records[request.name]
        let (limits, isPaused, what) = try self.wanted(request, before)
        let record = ServiceRecord(
            name: request.name, limits: limits, isPaused: isPaused, changedAt: self.loop.wallTime,
            changedBy: request.by)
        guard record.limits != before?.limits || record.isPaused != before?.isPaused ?? false else {
            return ServiceSet(isChanged: false, what: "nothing changes: \(what)")
        }
        guard record.isUsual || before != nil || self.records.count < ServiceRecord.servicesMax else {
            throw ErrorReply(.overloaded, "\(ServiceRecord.servicesMax) services were changed; reset some")
        }
        switch await self.commitLog.commit([.setService(record, what: what)], kind: .essential, jobs: 0) {
        case nil: throw CancellationError()
        case .failure(let error)?: throw error
        case .success?: break
        }
        self.records[request.name] = record.isUsual ? nil : record
        self.changes.append(
            ServiceChange(name: record.name, at: record.changedAt, by: record.changedBy, what: what))
        if self.changes.count > ServiceChange.changesMax { self.changes.removeFirst() }
        await self.enforce(request.name)
        self.log(.notice, "the limits of a service were changed", [.name: request.name, .cause: what])
        return ServiceSet(isChanged: true, what: what)
    }

    private func wanted(
        _ request: SetService, _ before: ServiceRecord?
    ) throws(ErrorReply) -> (limits: ServiceLimits?, isPaused: Bool, what: String) {
        let known = self.limits(of: request.name)
        let isPaused = before?.isPaused ?? false
        switch request.action {
        case .limits(let limits):
            if let problem = self.problem(with: limits, of: request.name) {
                throw ErrorReply(.invalidRequest, "service \(request.name): \(problem)")
            }
            return (limits, isPaused, known.map { "\(limits.text) (before: \($0.text))" } ?? "new: \(limits.text)")
        case .reset:
            guard known != nil else { throw self.unknown(request.name) }
            let text = self.configured[request.name].map { "back to cluster.json: \($0.text)" }
            return (nil, false, text ?? "removed: it is not in cluster.json")
        case .pause:
            guard known != nil else { throw self.unknown(request.name) }
            return (before?.limits, true, "paused")
        case .resume:
            guard known != nil else { throw self.unknown(request.name) }
            return (before?.limits, false, "resumed")
        }
    }

    /// Why these limits cannot be in force, or nil if they can: also, jobs of a type could never meet them.
    private func problem(with limits: ServiceLimits, of name: String) -> String? {
        if let problem = limits.problem() { return problem }
        let (weight, weightMax) = (self.weights[name] ?? 1, limits.weightMax(hasKey: false))
        return weight <= weightMax
            ? nil : "a burst of \(weightMax) never holds the \(weight) tokens that a job of some type takes"
    }

    private func unknown(_ name: String) -> ErrorReply {
        let names = self.lanes.services.keys.sorted()
        let known = names.isEmpty ? "none is configured" : "known: \(names.joined(separator: ", "))"
        return ErrorReply(.notFound, "there is no service \"\(name)\"; \(known)")
    }

    /// `cluster.json` says something else of services now. What people have set goes before it.
    ///
    /// - Returns: what changed, for people, in the order of names.
    package func reload(_ services: [String: ServiceLimits]) async -> [String] {
        var texts: [String] = []
        let before = self.configured
        for name in Set(before.keys).union(services.keys).sorted() where before[name] != services[name] {
            if let limits = services[name], let problem = self.problem(with: limits, of: name) {
                texts.append("services.\(name) is not taken over: \(problem)")
                continue
            }
            self.configured[name] = services[name]
            let text = "\(before[name]?.text ?? "not there") -> \(services[name]?.text ?? "not there")"
            if self.records[name]?.limits != nil {
                texts.append("services.\(name): \(text), but what was set with martlet limits goes before it")
            } else {
                texts.append("services.\(name): \(text)")
                await self.enforce(name)
            }
        }
        return texts
    }

    // MARK: Seeing inside

    package func list(_ request: ListServices) async -> ServiceList {
        let now = self.loop.now
        let views = await self.dispatcher.serviceStates().map { state in
            let name = state.gate.name
            var view = ServiceView(
                name: name, limits: state.gate.limits, isConfigured: self.configured[name] != nil,
                isChanged: self.records[name]?.limits != nil, isPaused: state.gate.isPaused,
                level: state.gate.level(at: now).map { UInt64($0) },
                rateShare: UInt16(clamping: state.gate.rateShare(at: now)), held: UInt32(clamping: state.gate.held),
                waiting: UInt64(state.waiting),
                closing: state.closing.map { WaitReason($0.blocker) },
                opensIn: state.closing?.blocker?.until.map { max($0 - now, .zero) },
                changedAt: self.records[name]?.changedAt, changedBy: self.records[name]?.changedBy ?? "")
            let counters = state.gate.counters
            (view.grants, view.tokens) = (counters.grants, counters.tokens)
            (view.waits, view.rejections) = (counters.waits, counters.rejections)
            return view
        }
        let changes = self.changes.suffix(Int(min(request.changesMax, UInt32(ServiceChange.changesMax)))).reversed()
        return ServiceList(services: views, changes: Array(changes))
    }
}

extension WaitReason {
    /// Of a service; without a blocker it is not configured.
    init(_ blocker: ServiceBlocker?) {
        self =
            switch blocker?.kind {
            case nil: .serviceUnknown
            case .paused: .servicePaused
            case .weight: .serviceWeight
            case .breaker: .serviceBreaker
            case .closed: .serviceClosed
            case .concurrency: .serviceConcurrency
            case .keyConcurrency: .serviceKeyConcurrency
            case .keys: .serviceKeys
            case .tokens: .serviceTokens
            case .keyTokens: .serviceKeyTokens
            }
    }
}
