import MartletCore
package import MartletObservability
import MartletRuntime
import MartletStore
import MartletTransport
package import MartletWire

/// Writes down the coordinator's metrics when somebody asks: from the numbers that its parts keep anyway, and from what
/// people see of queues, nodes and services.
package struct MetricsCollector: Sendable {
    let loop: EventLoop
    let store: any JobStore
    let epoch: Epoch
    let commitLog: CommitLog
    let dispatcher: Dispatcher
    let registry: NodeRegistry
    let control: ControlService
    let scheduler: Scheduler
    let services: ServiceDesk
    let clients: ClientService
    let lanes: LaneDirectory
    let budget: PayloadBudget
    let listeners: [(channel: String, listener: any RequestListener)]

    /// Adds all but what is about the process and HTTP.
    package func collect() async -> MetricsText {
        var text = MetricsText()
        text.write(.buildInfo, [([Coordinator.version], UInt64(1))])
        text.write(.epoch, self.epoch.rawValue)
        text.write(.recovering, await self.dispatcher.isRecovering ? 1 : 0)
        let folding = LabelFolding(lanes: self.lanes.keys)
        await self.writeQueues(to: &text, folding)
        await self.writeBacklog(to: &text, folding)
        self.writeExecutions(to: &text)
        await self.writeNodes(to: &text)
        await self.writeServices(to: &text)
        await self.writeSchedules(to: &text)
        await self.writeStore(to: &text)
        await self.writeChannels(to: &text)
        return text
    }

    // MARK: Queues

    private func writeQueues(to text: inout MetricsText, _ folding: LabelFolding) async {
        guard let list = try? await self.clients.queues() else { return text.write(.storeReadable, 0) }
        text.write(.storeReadable, 1)
        let views = folding.fold(list.queues)
        func write(_ metric: Metric, _ value: (QueueView) -> UInt64) {
            text.write(metric, views.map { ([$0.queue, $0.type], value($0)) })
        }
        text.write(
            .queueJobs,
            views.flatMap { view -> [(labels: [String], value: UInt64)] in
                [("ready", view.ready), ("running", view.running), ("scheduled", view.scheduled), ("dead", view.dead)]
                    .map { ([view.queue, view.type, $0.0], $0.1) }
            })
        text.write(
            .queueOldestAge, views.map { ([$0.queue, $0.type], ($0.oldestReadyAge ?? .zero) / .seconds(1)) })
        write(.queueNodes) { UInt64($0.nodeCount) }
        write(.queueKeptBytes, \.keptBytes)
        write(.submitted, \.submittedTotal)
        write(.succeeded, \.succeededTotal)
        write(.retried, \.retriedTotal)
        write(.cancelled, \.cancelledTotal)
        write(.expired, \.expiredTotal)
    }

    private func writeBacklog(to text: inout MetricsText, _ folding: LabelFolding) async {
        var runnable: [String: UInt64] = Dictionary(uniqueKeysWithValues: folding.queueNames.map { ($0, 0) })
        var blocked: [[String]: UInt64] = [:]
        for part in await self.dispatcher.backlog() {
            let queue = folding.name(of: part.queue)
            let reason = WaitReason(part.blocker)
            if reason.isRunnable {
                runnable[queue, default: 0] += UInt64(part.count)
            } else {
                blocked[[queue, reason.label], default: 0] += UInt64(part.count)
            }
        }
        text.write(.runnableJobs, runnable.keys.sorted().map { ([$0], runnable[$0]!) })
        // A series that comes and goes is read as the last value: each queue has one that says so when nothing is held up.
        for queue in runnable.keys { blocked[[queue, WaitReason.serviceTokens.label], default: 0] += 0 }
        let keys = blocked.keys.sorted { $0.lexicographicallyPrecedes($1) }
        text.write(.blockedJobs, keys.map { ($0, blocked[$0]!) })
        var paused: [String: UInt64] = Dictionary(uniqueKeysWithValues: folding.queueNames.map { ($0, 0) })
        for pause in await self.control.pauseList.pauses where pause.target == .queue {
            paused[folding.name(of: pause.name)] = 1
        }
        text.write(.queuePaused, paused.keys.sorted().map { ([$0], paused[$0]!) })
        var waits: [String: Histogram] = [:]
        for (queue, times) in await self.dispatcher.waits {
            waits[folding.name(of: queue), default: Histogram(.jobTimes)].add(times)
        }
        text.write(.waitTimes, waits.keys.sorted().map { ([$0], waits[$0]!) })
    }

    private func writeExecutions(to text: inout MetricsText) {
        let counts = self.registry.metrics.counts
        text.write(.started, counts.started)
        text.write(.returned, counts.returned)
        text.write(.resultsRefused, counts.refused)
        text.write(.failed, counts.queues.map { ([$0.name], $0.failed) })
        text.write(.died, counts.queues.map { ([$0.name], $0.dead) })
        text.write(.runTimes, counts.queues.map { ([$0.name], $0.runs) })
    }

    // MARK: Nodes, services, schedules

    private func writeNodes(to text: inout MetricsText) async {
        let views = await self.registry.views()
        text.write(
            .nodes,
            NodeView.Status.allCases.map { status in (["\(status)"], UInt64(views.count { $0.status == status })) })
        let registered = views.filter { $0.status != .awaited }.sorted { $0.name < $1.name }
        func write(_ metric: Metric, _ value: (NodeView) -> UInt64) {
            text.write(metric, registered.map { ([$0.name], value($0)) })
        }
        write(.nodeSlots) { UInt64($0.slots) }
        write(.nodeLeased) { UInt64($0.leased) }
        let unstarted = await self.registry.unstartedCounts().sorted { $0.node < $1.node }
        text.write(.nodeUnstarted, unstarted.map { ([$0.node], UInt64($0.count)) })
        text.write(.nodeHeartbeat, registered.map { ([$0.name], $0.sinceHeard / .seconds(1)) })
        write(.nodeStuck) { UInt64($0.stuck) }
        write(.nodeSucceeded, \.succeededTotal)
        write(.nodeFailed, \.failedTotal)
        write(.nodeStealAsks, \.steals.asks)
        write(.nodeGaveBack, \.steals.gaveBack)
        write(.nodeTookOver, \.steals.tookOver)
    }

    private func writeServices(to text: inout MetricsText) async {
        let services = await self.services.list(ListServices()).services
        func write(_ metric: Metric, _ value: (ServiceView) -> UInt64) {
            text.write(metric, services.map { ([$0.name], value($0)) })
        }
        text.write(
            .serviceTokens, services.compactMap { view in view.level.map { ([view.name], $0) } })
        text.write(.serviceRateShare, services.map { ([$0.name], Double($0.rateShare) / 1000) })
        write(.serviceHeld) { UInt64($0.held) }
        write(.serviceWaiting, \.waiting)
        write(.serviceClosed) { view in
            switch view.closing {
            case .serviceClosed?, .serviceBreaker?, .servicePaused?: 1
            default: view.isPaused ? 1 : 0
            }
        }
        write(.serviceGrants, \.grants)
        write(.serviceTokensSpent, \.tokens)
        write(.serviceWaits, \.waits)
        write(.serviceRejections, \.rejections)
    }

    private func writeSchedules(to text: inout MetricsText) async {
        let totals = await self.scheduler.totals
        text.write(.schedules, totals.schedules)
        text.write(.schedulesFired, totals.fired)
        text.write(.schedulesSkipped, totals.skipped)
        text.write(.schedulesMissed, totals.missed)
        text.write(.schedulesBroken, totals.broken)
    }

    // MARK: Store and channels

    private func writeStore(to text: inout MetricsText) async {
        let statistics = await self.commitLog.statistics
        text.write(.commitGroupJobs, [([], statistics.groupJobs)])
        text.write(.commitTimes, [([], statistics.times)])
        if let times = await self.store.syncTimes() { text.write(.syncTimes, [([], times)]) }
        text.write(.commitFailures, statistics.failures)
        text.write(.pendingBytes, await self.commitLog.pendingBytes)
        text.write(.payloadBytes, self.budget.bytes)
    }

    private func writeChannels(to text: inout MetricsText) async {
        let all = self.listeners.map { ($0.channel, $0.listener.statistics) }
        text.write(.connections, all.map { ([$0], UInt64($1.connections)) })
        text.write(.connectionsAccepted, all.map { ([$0], UInt64($1.connectionsAccepted)) })
        text.write(
            .transportErrors,
            all.flatMap { channel, seen -> [(labels: [String], value: UInt64)] in
                [
                    ("connection_refused", seen.connectionsRefused), ("request_dropped", seen.requestsDropped),
                    ("reply_too_large", seen.repliesTooLarge), ("reply_failed", seen.repliesFailed),
                    ("probe_failed", seen.probesFailed), ("listener_restarted", seen.restarts),
                ].map { ([channel, $0.0], UInt64($0.1)) }
            })
        let refusals = [("clients", await self.clients.refusals), ("nodes", await self.registry.refusals)]
        text.write(
            .requestsRefused,
            refusals.flatMap { channel, counts in counts.all.map { ([channel, "\($0.code)"], $0.count) } })
    }
}

/// Which queues and types have series of their own: the first that were ever used, so that which they are never changes.
struct LabelFolding {
    private var pairs: Set<String> = []
    private var queues: Set<String> = []
    private(set) var queueNames: [String] = []

    init(lanes: [LaneKey], queuesMax: Int = Metric.queuesMax, pairsMax: Int = Metric.queueTypesMax) {
        for lane in lanes where self.pairs.count < pairsMax || self.queues.count < queuesMax {
            if self.pairs.count < pairsMax { self.pairs.insert("\(lane.queue)\u{0}\(lane.type)") }
            if self.queues.count < queuesMax, self.queues.insert(lane.queue).inserted {
                self.queueNames.append(lane.queue)
            }
        }
    }

    func name(of queue: String) -> String { self.queues.contains(queue) ? queue : Metric.otherName }

    /// Adds up those that have none.
    func fold(_ views: [QueueView]) -> [QueueView] {
        var kept: [QueueView] = []
        var other: QueueView?
        for view in views {
            guard !self.pairs.contains("\(view.queue)\u{0}\(view.type)") else {
                kept.append(view)
                continue
            }
            var sum = other ?? QueueView(queue: Metric.otherName, type: Metric.otherName)
            sum.add(view)
            other = sum
        }
        return kept + (other.map { [$0] } ?? [])
    }
}

extension QueueView {
    /// Adds what another one holds; of ages and nodes the most counts.
    package mutating func add(_ view: QueueView) {
        self.ready += view.ready
        self.running += view.running
        self.scheduled += view.scheduled
        self.dead += view.dead
        self.submittedTotal += view.submittedTotal
        self.succeededTotal += view.succeededTotal
        self.retriedTotal += view.retriedTotal
        self.cancelledTotal += view.cancelledTotal
        self.expiredTotal += view.expiredTotal
        self.deletedTotal += view.deletedTotal
        self.nodeCount = max(self.nodeCount, view.nodeCount)
        if let age = view.oldestReadyAge { self.oldestReadyAge = max(self.oldestReadyAge ?? .zero, age) }
        self.keptBytes += view.keptBytes
    }
}
