import Martlet
import MartletCore
import MartletStore

/// One seed's story: a cluster under load and faults, then peace, then the reckoning.
package struct Scenario: Sendable {
    /// What came of a seed.
    package struct Outcome: Sendable {
        package let seed: UInt64
        package let violation: String?
        package let steps: UInt64
        package let traceHash: UInt64
        package let jobs: Int
        package let acknowledged: Int
        package let virtualTime: Duration
        package let events: [Witness.Event: Int]
    }

    private static let chaosDuration: Duration = .seconds(20)
    /// After the faults stop, everything must end within this.
    private static let peaceMax: Duration = .seconds(240)

    package let seed: UInt64

    package init(seed: UInt64) {
        self.seed = seed
    }

    /// Runs the story to its end. Equal seeds give equal outcomes.
    package func run() -> Outcome {
        let world = SimulatedWorld(seed: self.seed)
        let cluster = SimulatedCluster(world: world, nodes: 3, clients: 2)
        let start = world.now
        cluster.startCoordinator()
        for index in 0..<3 { cluster.startNode(index) }
        for index in 0..<2 { cluster.startClient(index) }
        var nemesis = Nemesis(cluster: cluster)
        self.live(until: start + Self.chaosDuration, cluster) { nemesis.strike() }
        nemesis.makePeace()
        self.finish(cluster)
        if let unfair = ShareTrial.run(seed: self.seed) { cluster.witness.fail(unfair) }
        return Outcome(
            seed: self.seed, violation: cluster.witness.violation, steps: world.steps, traceHash: world.traceHash,
            jobs: cluster.witness.storedCount, acknowledged: cluster.witness.acknowledgedCount,
            virtualTime: world.now - start, events: cluster.witness.events)
    }

    /// Lets time pass in slices, with something done after each.
    private func live(until end: Instant, _ cluster: SimulatedCluster, _ act: () -> Void) {
        while cluster.world.now < end, !cluster.isLost {
            let slice = cluster.world.random.duration(.milliseconds(20), .milliseconds(900))
            cluster.world.run(until: min(end, cluster.world.now + slice)) { cluster.isLost }
            cluster.checkInvariants()
            act()
        }
    }

    private func finish(_ cluster: SimulatedCluster) {
        for client in cluster.clients { client?.stop() }
        let deadline = cluster.world.now + Self.peaceMax
        // Clients may be within a submit; give them the time that their calls may take.
        cluster.world.run(until: cluster.world.now + .seconds(25)) { cluster.isLost }
        while cluster.world.now < deadline, !cluster.isLost,
            !cluster.witness.unfinished.isEmpty || cluster.hasInstantsLeft
        {
            cluster.world.run(until: cluster.world.now + .seconds(1)) { cluster.isLost }
            cluster.startWhatIsMissing()
            cluster.checkInvariants()
        }
        // Time for what is kept to be looked through, and in some seeds for what is too old to be removed.
        let isLong = cluster.world.random.chance(0.25)
        cluster.world.run(until: cluster.world.now + .seconds(isLong ? 65 : 3)) { cluster.isLost }
        guard !cluster.isLost else { return }
        cluster.witness.checkEverythingEnded(in: cluster.disk.contents)
    }
}
