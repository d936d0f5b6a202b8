package import MartletCore
package import MartletObservability
package import MartletRuntime
package import MartletStore
package import MartletTransport

/// One shard's coordinator: puts the parts together and runs them.
package struct Coordinator: Sendable {
    package static let version = "0.1.0"

    let settings: CoordinatorSettings
    private let transport: any Transport
    let store: any JobStore
    let loop: EventLoop
    let log: Log

    /// How long client sessions are remembered after their last submit.
    package static let sessionLifetime: Duration = .seconds(3600)
    private static let recoveryPage = 10_000

    /// - Precondition: a listener that is not on loopback has a token.
    package init(
        settings: CoordinatorSettings, transport: any Transport, store: any JobStore, loop: EventLoop, log: Log
    ) {
        self.settings = settings
        self.transport = transport
        self.store = store
        self.loop = loop
        self.log = log
    }

    /// What runs, for those who look inside.
    package struct Parts: Sendable {
        package let clientAddress: String
        package let nodeAddress: String
        package let epoch: Epoch
        package let dispatcher: Dispatcher
        package let registry: NodeRegistry
        package let commitLog: CommitLog
        package let control: ControlService
        package let scheduler: Scheduler
        package let services: ServiceDesk
        package let budget: PayloadBudget
        package let clients: ClientService
        package let store: any JobStore
        package let settings: CoordinatorSettings
        package let metrics: MetricsCollector
    }

    /// Recovers, serves until cancelled, and closes the store.
    ///
    /// - Parameter started: called once everything is served.
    /// - Throws: ``StoreError`` or ``TransportError``; after `.outcomeUnknown` the process must exit at once.
    package func run(started: @Sendable (Parts) async -> Void = { _ in }) async throws {
        let opening = try await self.store.open()
        do {
            try await self.run(opening, started: started)
            await self.store.close()
        } catch let error as StoreError where error.code == .outcomeUnknown || error.code == .fenced {
            // Nothing that is in memory may be trusted or answered from now on.
            throw error
        } catch {
            await self.store.close()
            throw error
        }
    }

    private func run(_ opening: StoreOpening, started: @Sendable (Parts) async -> Void) async throws {
        let openedAt = self.loop.wallTime
        let lanes = LaneDirectory(settings: self.settings, recovered: opening.lanes)
        let budget = PayloadBudget(bytesMax: self.settings.payloadCacheMax)
        let watch = EndWatch()
        let commitLog = CommitLog(
            loop: self.loop, store: self.store, epoch: opening.epoch, lanes: lanes, watch: watch, log: self.log)
        let dispatcher = Dispatcher(
            loop: self.loop, store: self.store, lanes: lanes, budget: budget, isRecovering: !opening.nodes.isEmpty,
            openedAt: openedAt, doubtUntil: self.doubtUntil(opening), caughtUp: { await commitLog.caughtUp() },
            log: self.log)
        let registry = NodeRegistry(
            loop: self.loop, settings: self.settings, store: self.store, opening: opening, dispatcher: dispatcher,
            commitLog: commitLog, lanes: lanes, openedAt: openedAt, log: self.log)
        let control = ControlService(
            loop: self.loop, settings: self.settings, store: self.store, opening: opening, commitLog: commitLog,
            dispatcher: dispatcher, registry: registry, lanes: lanes, log: self.log)
        let scheduler = Scheduler(
            loop: self.loop, settings: self.settings, store: self.store, opening: opening, commitLog: commitLog,
            lanes: lanes, log: self.log)
        let services = ServiceDesk(
            loop: self.loop, settings: self.settings, opening: opening, commitLog: commitLog, dispatcher: dispatcher,
            lanes: lanes, log: self.log)
        let clients = ClientService(
            loop: self.loop, settings: self.settings, store: self.store, epoch: opening.epoch, commitLog: commitLog,
            dispatcher: dispatcher, registry: registry, lanes: lanes, budget: budget, watch: watch, control: control,
            scheduler: scheduler, services: services, log: self.log)
        await control.begin()
        await services.begin(opening.serviceClosings)
        let releasesWanted = Signal()
        if opening.hasReleases { releasesWanted.notify() }
        try await self.recover(into: dispatcher, openedAt: openedAt)
        let clientListener = try await self.transport.listen(at: self.settings.clientAddress, contexts: 512)
        let nodeListener: any RequestListener
        do {
            nodeListener = try await self.transport.listen(
                at: self.settings.nodeAddress, contexts: 2 * self.settings.nodesMax + 256)
        } catch {
            await clientListener.close()
            throw error
        }
        self.log(
            .info, "coordinator started",
            [.epoch: opening.epoch.rawValue, .count: opening.pendingCount, .address: clientListener.address])
        await started(
            Parts(
                clientAddress: clientListener.address, nodeAddress: nodeListener.address, epoch: opening.epoch,
                dispatcher: dispatcher, registry: registry, commitLog: commitLog, control: control,
                scheduler: scheduler, services: services, budget: budget, clients: clients, store: self.store,
                settings: self.settings,
                metrics: MetricsCollector(
                    loop: self.loop, store: self.store, epoch: opening.epoch, commitLog: commitLog,
                    dispatcher: dispatcher, registry: registry, control: control, scheduler: scheduler,
                    services: services, clients: clients, lanes: lanes, budget: budget,
                    listeners: [("clients", clientListener), ("nodes", nodeListener)])))
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await commitLog.run { consequences in
                        await Self.carryOn(consequences, dispatcher, registry)
                        if consequences.hasReleases { releasesWanted.notify() }
                        await dispatcher.turn()
                    }
                }
                group.addTask { try await Self.release(releasesWanted, commitLog) }
                group.addTask { try await dispatcher.run() }
                group.addTask { try await clients.serve(clientListener) }
                group.addTask { try await registry.serve(nodeListener) }
                group.addTask { try await control.run() }
                group.addTask { try await scheduler.run() }
                group.addTask { try await self.housekeep(commitLog, clients) }
                if self.settings.boundsKeptBytes {
                    group.addTask { try await self.trimKept(commitLog) }
                }
                group.addTask {
                    // The services end when their listeners do.
                    try? await self.loop.sleep(for: .seconds(Int64.max / 2_000_000_000))
                    await Self.close(clientListener, nodeListener)
                }
                defer { group.cancelAll() }
                try await group.next()
                guard Task.isCancelled else { throw TransportError(.closed, "a listener ended by itself") }
            }
        } catch is CancellationError {
            self.log(.info, "coordinator stops")
        }
    }

    private static func close(_ listeners: any RequestListener...) async {
        for listener in listeners { await listener.close() }
    }

    private func recover(into dispatcher: Dispatcher, openedAt: WallTime) async throws {
        var after: JobID?
        while true {
            let jobs = try await self.store.readyJobs(after: after, limit: Self.recoveryPage)
            await dispatcher.recover(jobs)
            guard jobs.count == Self.recoveryPage, let last = jobs.last?.id else { break }
            after = last
        }
        var place: ScheduledJob?
        while true {
            let jobs = try await self.store.scheduledJobs(after: place, dueBy: openedAt, limit: Self.recoveryPage)
            await dispatcher.recover(jobs.map { ReadyJob(id: $0.id, lane: $0.lane, share: $0.share) })
            guard jobs.count == Self.recoveryPage, let last = jobs.last else { break }
            place = last
        }
        try await self.recoverOrder(into: dispatcher, after: openedAt)
    }

    /// Until then nodes of the epoch before may be at work on payloads that were replaced since: for as long as their
    /// leases, and as long again to hear of their end.
    private func doubtUntil(_ opening: StoreOpening) -> Instant {
        self.loop.now + (opening.nodes.map(\.leaseDuration).max() ?? .zero) * 2
    }

    /// A job that is due later holds up those of its key that came after it.
    private func recoverOrder(into dispatcher: Dispatcher, after openedAt: WallTime) async throws {
        var place = ScheduledJob(due: openedAt, id: JobID(rawValue: .max), lane: LaneID(rawValue: 0))
        while true {
            let jobs = try await self.store.orderedJobs(after: place, limit: Self.recoveryPage)
            await dispatcher.recover(scheduled: jobs)
            guard jobs.count == Self.recoveryPage, let last = jobs.last else { return }
            place = last
        }
    }
}
