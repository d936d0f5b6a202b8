import Martlet
import MartletCore
import MartletRuntime
import MartletTransport

/// A worker process.
final class SimulatedNode: @unchecked Sendable {
    static let types = ["alpha", "beta", "gamma"]
    /// Its jobs are handled a few at once.
    static let batchedType = "beta"
    static let slots = 4
    static let prefetchMax = 16
    /// How many times as long as on the others its handlers take, by node, where that is not long anyway.
    static let slowness = [1, 1, 3]

    let index: Int
    let process: SimulatedProcess
    let worker: Worker
    private let transport: InMemoryTransport
    unowned let cluster: SimulatedCluster
    /// While frozen and shortly after, what its handlers believe does not count: no process can do better.
    private(set) var isTrusted = true

    init(index: Int, cluster: SimulatedCluster) {
        self.index = index
        self.cluster = cluster
        self.process = cluster.world.makeProcess("node-\(index)")
        self.process.clockOffset = cluster.world.random.duration(.zero, .seconds(5000))
        self.transport = cluster.network.transport(on: self.process, host: SimulatedCluster.host(ofNode: index))
        let options = WorkerConfiguration(
            name: "node-\(index)", address: SimulatedCluster.nodeAddress, slots: Self.slots,
            prefetchMax: Self.prefetchMax,
            drainTimeout: .seconds(2), logHandler: { _ in })
        let environment = Worker.Environment(
            loop: self.process,
            transport: ObservedTransport(
                inner: self.transport, witness: cluster.witness, world: cluster.world),
            executor: self.process, nameLock: UInt32(index))
        self.worker = Worker(options, in: environment)
        // The last node serves fewer types, so that some lanes have fewer nodes.
        for type in index == 0 ? Self.types.prefix(2) : Self.types[...] {
            if type == Self.batchedType {
                self.worker.register(batchOfRaw: type, max: 3, within: .milliseconds(20)) { [unowned self] jobs in
                    await self.handle(jobs)
                }
            } else {
                self.worker.register(raw: type) { [unowned self] payload, context in
                    try await self.handle(payload, context)
                }
            }
        }
        self.worker.register(raw: SimulatedCluster.scheduledType) { [unowned self] _, context in
            let duration = self.cluster.world.random.duration(.milliseconds(1), .milliseconds(1800))
            try await self.tick(context, for: duration)
        }
        self.process.spawn { [self] in
            try? await self.worker.run()
            self.cluster.nodeEnded(self)
        }
    }

    func crash() {
        self.process.crash()
        self.transport.vanish()
    }

    func freeze() {
        self.isTrusted = false
        self.process.freeze()
        self.cluster.witness.crashed(self.process.number)
    }

    func thaw() { self.process.thaw() }

    /// A lease length after the thaw, it has heard of everything that it missed.
    func trustAgain() { self.isTrusted = true }

    /// Each job of a batch does what it would do alone. Who hangs holds up the others.
    private func handle(_ jobs: [BatchedJob<Payload>]) async -> [BatchOutcome] {
        if jobs.count > 1 { self.cluster.witness.count(.batchHandled) }
        return await withTaskGroup(of: BatchOutcome.self) { group in
            for job in jobs {
                group.addTask {
                    do {
                        try await self.handle(job.value, job.context)
                        return job.succeeded
                    } catch {
                        return job.failed(error)
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
    }

    /// Not in batches, which have none.
    private func saveCheckpoints(_ number: UInt64, _ context: JobContext) async throws {
        guard context.type != Self.batchedType else { return }
        let witness = self.cluster.witness
        if self.isTrusted { witness.begins(number, at: context.rawCheckpoint.map { Self.number($0) }) }
        for _ in 0..<SimulatedHandler.leaving(number: number).checkpoints {
            let checkpoint = self.cluster.nextCheckpoint()
            try await context.save(rawCheckpoint: Self.payload(checkpoint))
            if self.isTrusted { witness.checkpointSaved(checkpoint, for: number) }
        }
    }

    /// Services turn the handlers of some jobs away, once or twice each. Not those of batches: what one of them says comes
    /// with what the others say, which may be too late.
    private func beTurnedAway(_ number: UInt64, _ context: JobContext) throws {
        guard context.type != Self.batchedType else { return }
        // Of the job: a payload that took the place of another one is run as what was submitted first.
        let witness = self.cluster.witness
        let uses = witness.stored[context.id].flatMap { witness.limits[$0] }?.services ?? []
        let calls = SimulatedHandler.calls(number: number, usesServices: !uses.isEmpty)
        let before = self.cluster.turnedAway[number, default: 0]
        guard before < calls.turnedAway, self.cluster.isTroubled else { return }
        self.cluster.turnedAway[number] = before + 1
        witness.turnedAway(context.id)
        guard let use = uses.first else { throw ServiceUnavailable("c", retryAfter: calls.retryAfter) }
        if number % 3 == 0 { throw ServiceUnavailable(retryAfter: calls.retryAfter) }
        throw ServiceUnavailable(use.service, retryAfter: calls.retryAfter)
    }

    private func acquire(_ number: UInt64, _ context: JobContext) async throws {
        guard let use = SimulatedHandler.calls(number: number, usesServices: false).inside else { return }
        try await context.service(use.service).acquire(use.weight)
        if self.isTrusted { self.cluster.witness.acquired(use, at: self.cluster.world.now) }
    }

    private func leave(_ number: UInt64, _ payload: Payload, _ context: JobContext) throws {
        let leaving = SimulatedHandler.leaving(number: number)
        if leaving.hasResult { try context.setResult(number) }
        guard payload.count != 16 else { return }
        let batch = self.cluster.witness.groups.batchOf[context.id]
        for place in 0..<leaving.followUps {
            try context.submit(raw: self.cluster.nextFollowUp(joining: place == 0 ? batch : nil))
        }
    }

    private static func number(_ payload: Payload) -> UInt64 {
        payload.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
    }

    private static func payload(_ number: UInt64) -> Payload {
        withUnsafeBytes(of: number.littleEndian) { Payload(copying: $0) }
    }

    private func work(for duration: Duration) async throws {
        let isLong = duration > .milliseconds(60)
        try await self.process.sleep(for: isLong ? duration : duration * Self.slowness[self.index])
    }

    private func handle(_ payload: Payload, _ context: JobContext) async throws {
        let number = Self.number(payload)
        let witness = self.cluster.witness
        self.cluster.noteWallTime()
        if self.isTrusted {
            witness.began(context.id, on: self.process.number)
            witness.begins(number, context, by: self.cluster.latestWallTime)
            witness.starts(context.id, at: self.cluster.world.now)
        }
        defer { witness.ended(context.id, on: self.process.number) }
        witness.began(payload: number)
        try self.beTurnedAway(number, context)
        try await self.saveCheckpoints(number, context)
        try await self.acquire(number, context)
        switch SimulatedHandler.act(number: number, attempt: context.attempt) {
        case .succeed(let duration):
            try await self.work(for: duration)
            try self.leave(number, payload, context)
        case .fail(let duration, let isRetryable):
            try await self.work(for: duration)
            witness.count(.handlerFailed)
            if isRetryable { throw JobFailureError(kind: "simulated", message: "attempt \(context.attempt)") }
            throw NonRetryable("simulated")
        case .hang:
            witness.count(.handlerHung)
            try await self.process.sleep(for: .seconds(100_000))
        case .killNode:
            // Only while faults may happen, and never all nodes at once.
            guard self.cluster.mayKillNodes else { return }
            witness.count(.poisonKilledNode)
            self.cluster.crashSoon(self)
            try await self.process.sleep(for: .seconds(100_000))
        }
    }
}
