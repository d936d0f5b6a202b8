import Martlet
import MartletCore
import MartletRuntime
import MartletTransport

/// A client process that submits numbered jobs until it is told to stop.
final class SimulatedClient: @unchecked Sendable {
    let process: SimulatedProcess
    private let transport: InMemoryTransport
    unowned let cluster: SimulatedCluster
    private var mayGoOn = true
    private var ids: [JobID] = []
    /// One of them pauses: who pauses must know when it is over.
    private let mayPause: Bool

    init(index: Int, cluster: SimulatedCluster) {
        self.cluster = cluster
        self.mayPause = index == 0
        self.process = cluster.world.makeProcess("client-\(index)")
        self.transport = cluster.network.transport(on: self.process, host: cluster.host(ofClient: index))
        self.process.spawn { await self.submitUntilStopped() }
    }

    func crash() {
        self.process.crash()
        self.transport.vanish()
    }

    func stop() { self.mayGoOn = false }

    private func submitUntilStopped() async {
        let options = ClientConfiguration(timeout: .seconds(20), attemptTimeout: .seconds(1))
        while self.mayGoOn {
            guard
                let client = try? await Client.connect(
                    to: SimulatedCluster.clientAddress, over: self.transport, on: self.process, configuration: options)
            else { continue }
            while self.mayGoOn {
                await self.submitSome(client)
                await self.changeSomething(client, of: self.ids)
                if self.mayPause { await self.pauseSomething(client) }
                await self.changeSchedules(client, mayPause: self.mayPause)
                let pause = self.cluster.world.random.duration(.milliseconds(1), .milliseconds(900))
                try? await self.process.sleep(for: pause)
            }
            await self.closeBatches(client)
            await client.close()
        }
    }

    /// Several tasks at once, so that submits share frames and frames overlap.
    private func submitSome(_ client: Client) async {
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<1 + self.cluster.world.random.below(3) {
                switch self.cluster.world.random.below(10) {
                case 0: group.addTask { await self.submitWorkflow(client) }
                case 1: group.addTask { await self.runBatch(client) }
                default:
                    let jobs = (0..<1 + self.cluster.world.random.below(8)).map { _ in self.cluster.nextJob() }
                    group.addTask { await self.submit(jobs, client) }
                }
            }
        }
    }

    private func submit(_ jobs: [NumberedJob], _ client: Client) async {
        guard let ids = try? await client.submit(raw: jobs.map(\.job)) else { return }
        self.cluster.witness.acknowledge(ids, numbers: jobs.map(\.number))
        self.ids = (self.ids + ids).suffix(50)
        guard let last = ids.last, self.cluster.world.random.chance(0.1),
            let outcome = try? await client.outcome(of: last, timeout: .seconds(2))
        else { return }
        self.cluster.witness.wasTold(outcome.state, of: last, result: outcome.result?.bytes)
    }
}

/// Workflows and batches.
extension SimulatedClient {
    private func submitWorkflow(_ client: Client) async {
        let world = self.cluster.world
        var workflow = Workflow("w")
        var steps: [Workflow.Step] = []
        var numbers: [UInt64] = []
        for _ in 0..<2 + world.random.below(6) {
            let job = self.cluster.nextJob(isShared: false)
            let parents = steps.filter { _ in world.random.chance(0.4) }.map { step in
                switch world.random.below(6) {
                case 0: Workflow.Step.onEnd(step)
                case 1: Workflow.Step.onFailure(of: step)
                default: step
                }
            }
            steps.append(workflow.add(raw: job.job, after: parents))
            numbers.append(job.number)
        }
        guard let handle = try? await client.submit(workflow) else { return }
        self.cluster.witness.acknowledge(steps.map { handle.id(of: $0) }, numbers: numbers)
    }

    /// Opens a batch, perhaps one within it, fills and closes them, as far as the faults allow.
    private func runBatch(_ client: Client) async {
        guard let batch = await self.openBatch(client, within: nil) else { return }
        await self.fill(batch, client)
        if self.cluster.world.random.chance(0.4), let inner = await self.openBatch(client, within: batch) {
            await self.fill(inner, client)
            _ = try? await inner.close()
        }
        await self.fill(batch, client)
        _ = try? await batch.close()
    }

    private func openBatch(_ client: Client, within parent: Batch?) async -> Batch? {
        var callbacks: [BatchEvent: RawJob] = [:]
        for event in BatchEvent.allCases where self.cluster.world.random.chance(0.6) {
            callbacks[event] = self.cluster.nextJob(isShared: false).job
        }
        return try? await client.openBatch("b", within: parent, raw: callbacks)
    }

    private func fill(_ batch: Batch, _ client: Client) async {
        let jobs = (0..<self.cluster.world.random.below(5)).map { _ in self.cluster.nextJob() }
        guard !jobs.isEmpty, let ids = try? await batch.submit(raw: jobs.map(\.job)) else { return }
        self.cluster.witness.acknowledge(ids, numbers: jobs.map(\.number))
    }

    /// Closes what was left open by those that were cut off, so that every callback has its end.
    private func closeBatches(_ client: Client) async {
        while !self.cluster.witness.unfinished.isEmpty {
            for batch in (try? await client.batches(limit: 1000)) ?? [] where !batch.isClosed {
                _ = try? await client.batch(batch.id).close()
            }
            try? await self.process.sleep(for: .seconds(2))
        }
    }
}

/// A job whose payload begins with a number that no other submit has.
struct NumberedJob {
    let number: UInt64
    let job: RawJob
}
