import MartletCore
package import MartletObservability
package import MartletRuntime
package import MartletStore
package import MartletWire

/// Does what people want done with jobs and queues: cancels, revives, moves and removes jobs, one by one or a great
/// many at once, pauses queues and types, and ends what has expired.
package actor ControlService {
    /// An operation on many jobs that is under way, and who waits for it.
    struct Bulk {
        var record: BulkRecord
        var waiters: [Signal] = []
    }

    nonisolated let loop: EventLoop
    nonisolated let settings: CoordinatorSettings
    nonisolated let store: any JobStore
    nonisolated let commitLog: CommitLog
    nonisolated let dispatcher: Dispatcher
    nonisolated let registry: NodeRegistry
    nonisolated let lanes: LaneDirectory
    nonisolated let log: Log
    /// Since when what is paused.
    private var pauses: [Pause.Target: WallTime] = [:]
    var active: [BulkID: Bulk] = [:]
    var finished: [BulkRecord] = []
    var lastBulk: BulkID
    let bulkWanted = Signal()

    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }

    package init(
        loop: EventLoop, settings: CoordinatorSettings, store: any JobStore, opening: StoreOpening,
        commitLog: CommitLog, dispatcher: Dispatcher, registry: NodeRegistry, lanes: LaneDirectory, log: Log
    ) {
        self.loop = loop
        self.settings = settings
        self.store = store
        self.commitLog = commitLog
        self.dispatcher = dispatcher
        self.registry = registry
        self.lanes = lanes
        self.log = log
        self.lastBulk = opening.bulks.last?.id ?? BulkID(rawValue: 0)
        for pause in opening.pauses { self.pauses[pause.target] = pause.since }
        for record in opening.bulks {
            if record.finishedAt == nil {
                self.active[record.id] = Bulk(record: record)
            } else {
                self.finished.append(record)
            }
        }
    }

    /// Has the dispatcher know of what was paused before. To be called before it gets jobs.
    package func begin() async {
        for target in self.pauses.keys.sorted() { await self.dispatcher.pause(target.pause) }
        await self.dispatcher.setExpiry { [weak self] in await self?.expire($0) ?? [] }
    }

    /// Goes on with operations on many jobs, and ends what has expired, until cancelled.
    package func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.runBulks() }
            group.addTask { try await self.sweepExpired() }
            try await group.next()
            group.cancelAll()
        }
    }

    /// Commits and waits for the outcomes.
    ///
    /// - Throws: ``StoreError``, or `CancellationError` if nobody may be answered any more.
    func commit(
        _ changes: [Change], kind: CommitLog.Kind, jobs: Int
    ) async throws -> [ChangeOutcome] {
        guard let result = await self.commitLog.commit(changes, kind: kind, jobs: jobs) else {
            throw CancellationError()
        }
        return try result.get()
    }

    // MARK: Pauses

    package func set(_ request: SetPause) async throws -> PauseSet {
        let target = Pause.Target(request)
        if request.isPaused {
            if let since = self.pauses[target] { return PauseSet(since: since, isChanged: false) }
            guard self.pauses.count < Pause.pausesMax else {
                throw ErrorReply(.overloaded, "\(Pause.pausesMax) queues and types are paused; resume some")
            }
            let pause = Pause(target, since: self.loop.wallTime)
            _ = try await self.commit([.pause(pause)], kind: .intake, jobs: 0)
            self.pauses[target] = pause.since
            await self.dispatcher.pause(target.pause)
            self.log(.notice, "paused", target.fields)
            return PauseSet(since: pause.since, isChanged: true)
        }
        guard self.pauses[target] != nil else { return PauseSet(since: nil, isChanged: false) }
        _ = try await self.commit([.resume(target)], kind: .essential, jobs: 0)
        self.pauses[target] = nil
        await self.dispatcher.resume(target.pause)
        self.log(.notice, "resumed", target.fields)
        return PauseSet(since: nil, isChanged: true)
    }

    /// What is paused, for people.
    package var pauseList: PauseList {
        PauseList(
            pauses: self.pauses.keys.sorted().map { target in
                switch target {
                case .queue(let name): PauseView(.queue, name: name, since: self.pauses[target]!)
                case .type(let name): PauseView(.type, name: name, since: self.pauses[target]!)
                }
            })
    }
}

extension Pause.Target {
    init(_ request: SetPause) {
        switch request.target {
        case .queue: self = .queue(request.name)
        case .type: self = .type(request.name)
        }
    }

    var pause: DispatchCore.Pause {
        switch self {
        case .queue(let name): .queue(name)
        case .type(let name): .type(name)
        }
    }

    fileprivate var fields: Log.Fields {
        switch self {
        case .queue(let name): [.queue: name]
        case .type(let name): [.type: name]
        }
    }
}
