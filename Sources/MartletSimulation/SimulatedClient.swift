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
            await client.close()
        }
    }

    /// Several tasks at once, so that submits share frames and frames overlap.
    private func submitSome(_ client: Client) async {
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<1 + self.cluster.world.random.below(3) {
                let jobs = (0..<1 + self.cluster.world.random.below(8)).map { _ in self.cluster.nextJob() }
                group.addTask { await self.submit(jobs, client) }
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

/// A job whose payload begins with a number that no other submit has.
struct NumberedJob {
    let number: UInt64
    let job: RawJob
}
