import Martlet
import MartletCore
import MartletRuntime
import MartletTransport

/// A client process that submits numbered jobs until it is told to stop.
final class SimulatedClient: @unchecked Sendable {
    let process: SimulatedProcess
    let transport: InMemoryTransport
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
                await self.changeWhatEnded(client, of: self.ids)
                if self.mayPause { await self.pauseSomething(client) }
                if self.mayPause { await self.changeServices() }
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
        if self.cluster.world.random.chance(0.05) { await self.submit(self.cluster.nextRush(), client) }
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
        do throws(MartletError) {
            let ids = try await client.submit(raw: jobs.map(\.job))
            self.cluster.witness.acknowledge(ids, numbers: jobs.map(\.number))
            self.ids = (self.ids + ids).suffix(50)
            if let last = ids.last, self.cluster.world.random.chance(0.1) { await self.awaitEnd(of: last, client) }
        } catch {
            if error.code == .duplicate { self.cluster.witness.wasRefused(jobs.map(\.number)) }
        }
    }

    private func awaitEnd(of id: JobID, _ client: Client) async {
        let witness = self.cluster.witness
        guard self.cluster.world.random.chance(0.5) else {
            guard let outcome = try? await client.outcome(of: id, timeout: .seconds(2)) else { return }
            return witness.wasTold(outcome.state, of: id, result: outcome.result?.bytes)
        }
        do throws(MartletError) {
            let number = try await client.result(of: id, as: UInt64.self, timeout: .seconds(2))
            witness.wasTold(.succeeded, of: id, result: Payload("\(number)").bytes)
        } catch {
            if error.code == .noResult { witness.wasTold(.succeeded, of: id, result: nil) }
        }
    }
}

/// Workflows.
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
}

/// A job whose payload begins with a number that no other submit has.
struct NumberedJob {
    let number: UInt64
    let job: RawJob
}
