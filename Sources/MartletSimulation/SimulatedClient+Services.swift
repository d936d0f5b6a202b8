import Martlet
import MartletCore
import MartletRuntime
import MartletTransport
import MartletWire

/// What people do to the limits of services while the cluster runs.
extension SimulatedClient {
    func changeServices() async {
        let world = self.cluster.world
        guard world.random.chance(0.12) else { return }
        let names = SimulatedCluster.services.keys.sorted()
        let name = names[world.random.below(names.count)]
        switch world.random.below(6) {
        case 0..<3:
            let limits = self.cluster.nextLimits(of: name)
            if await self.set(name, .limits(limits)) { self.cluster.witness.count(.limitsSet) }
        case 3:
            if await self.set(name, .reset) { self.cluster.witness.count(.limitsReset) }
        default: await self.pause(name)
        }
    }

    private func pause(_ name: String) async {
        let witness = self.cluster.witness
        if await self.set(name, .pause) {
            witness.servicePaused(name)
            try? await self.process.sleep(for: self.cluster.world.random.duration(.milliseconds(100), .seconds(2)))
        }
        // Whether or not the pause was acknowledged.
        witness.serviceResumes(name)
        while await !self.set(name, .resume) { await Task.yield() }
    }

    private func set(_ name: String, _ action: SetService.Action) async -> Bool {
        guard let connection = try? self.transport.connect(to: SimulatedCluster.clientAddress) else { return false }
        let request = SetService(name: name, action: action, by: "client")
        let answer = try? await connection.request(request.encoded(), timeout: .seconds(1))
        await connection.close()
        guard let answer, case .message? = try? Reply<ServiceSet>.decode(answer) else { return false }
        return true
    }
}
