import MartletCoordinator
import MartletCore
import MartletTransport

/// Does harm, as the seed has it, and undoes it.
struct Nemesis {
    private let cluster: SimulatedCluster
    /// What is to be undone, and when.
    private var repairs: [(at: Instant, repair: () -> Void)] = []
    /// How harmful this seed is: some seeds must be nearly quiet, so that what needs quiet is met too.
    private let strength: Double

    init(cluster: SimulatedCluster) {
        self.cluster = cluster
        self.strength = [0.02, 0.15, 0.4][cluster.world.random.below(3)]
        self.cluster.link.isUnreliable = cluster.world.random.chance(0.5)
        if cluster.world.random.chance(0.5) {
            self.cluster.diskFaults.rolledBack = 0.01
            self.cluster.diskFaults.diskFull = 0.02
            self.cluster.diskFaults.outcomeUnknown = 0.002
        }
    }

    /// Repairs what is due and, with luck, breaks something.
    mutating func strike() {
        self.repairDue()
        guard self.cluster.world.random.chance(self.strength) else { return }
        switch self.cluster.world.random.below(8) {
        case 0, 1: self.crashCoordinator()
        case 2: self.crashNode()
        case 3: self.freezeNode()
        case 4: self.freezeCoordinator()
        case 5: self.part()
        case 6: self.cutConnections()
        default: self.stepWallClock()
        }
    }

    mutating func makePeace() {
        self.cluster.mayKillNodes = false
        self.cluster.isTroubled = false
        for repair in self.repairs { repair.repair() }
        self.repairs = []
        // What was scheduled while the wall clock was ahead is due only now.
        self.cluster.world.wallOffsetMicroseconds += 48 * 3_600_000_000
        self.cluster.link.isUnreliable = false
        self.cluster.link.parted = []
        self.cluster.network.cutConnections { _, _ in true }
        self.cluster.diskFaults = DiskFaults()
        self.cluster.startWhatIsMissing()
    }

    private mutating func repairDue() {
        let now = self.cluster.world.now
        let due = self.repairs.filter { $0.at <= now }
        self.repairs.removeAll { $0.at <= now }
        for repair in due { repair.repair() }
        // A process that ended by itself is started again by its supervisor.
        if self.cluster.coordinator == nil, !self.repairs.contains(where: { $0.at > now }) {
            self.cluster.startCoordinator()
        }
    }

    private mutating func repair(after low: Duration, _ high: Duration, _ repair: @escaping () -> Void) {
        self.repairs.append((self.cluster.world.now + self.cluster.world.random.duration(low, high), repair))
    }

    private mutating func crashCoordinator() {
        guard self.cluster.coordinator != nil else { return }
        self.cluster.witness.count(.coordinatorCrash)
        self.cluster.crashCoordinator()
        let cluster = self.cluster
        self.repair(after: .milliseconds(5), .seconds(5)) { cluster.startCoordinator() }
    }

    private mutating func crashNode() {
        let index = self.cluster.world.random.below(self.cluster.nodes.count)
        guard self.cluster.nodes[index] != nil else { return }
        self.cluster.witness.count(.nodeCrash)
        self.cluster.crashNode(index)
        // Some machines never come back: their jobs must not wait for them.
        if self.cluster.goneForGood == nil, self.cluster.world.random.chance(0.3) {
            self.cluster.goneForGood = index
            return
        }
        let cluster = self.cluster
        self.repair(after: .milliseconds(5), .seconds(12)) { cluster.startNode(index) }
    }

    private mutating func freezeNode() {
        let index = self.cluster.world.random.below(self.cluster.nodes.count)
        guard let node = self.cluster.nodes[index], node.isTrusted else { return }
        self.cluster.witness.count(.nodeFrozen)
        node.freeze()
        let thawAfter = self.cluster.world.random.duration(.milliseconds(50), .seconds(8))
        self.repair(after: thawAfter, thawAfter) { node.thaw() }
        let trustAfter = thawAfter + SimulatedCluster.times.leaseDuration * 2
        self.repair(after: trustAfter, trustAfter) { node.trustAgain() }
    }

    private mutating func freezeCoordinator() {
        guard let process = self.cluster.coordinator?.process else { return }
        process.freeze()
        self.repair(after: .milliseconds(50), .seconds(8)) { process.thaw() }
    }

    private mutating func part() {
        let index = self.cluster.world.random.below(self.cluster.nodes.count + self.cluster.clients.count)
        let host =
            index < self.cluster.nodes.count
            ? SimulatedCluster.host(ofNode: index) : self.cluster.host(ofClient: index - self.cluster.nodes.count)
        self.cluster.witness.count(.partition)
        self.cluster.link.parted.insert(host)
        let cluster = self.cluster
        let epochBefore = cluster.parts?.epoch
        self.repair(after: .milliseconds(100), .seconds(10)) {
            cluster.link.parted.remove(host)
            // A host whose peer died meanwhile is told by the reset that answers its next packet.
            if cluster.parts?.epoch != epochBefore { cluster.network.cutConnections { client, _ in client == host } }
        }
    }

    private mutating func cutConnections() {
        self.cluster.witness.count(.connectionCut)
        let host = SimulatedCluster.host(ofNode: self.cluster.world.random.below(self.cluster.nodes.count))
        self.cluster.network.cutConnections { client, _ in client == host }
    }

    private mutating func stepWallClock() {
        self.cluster.witness.count(.wallClockStep)
        let hours = Int64(self.cluster.world.random.below(3)) - 1
        self.cluster.world.wallOffsetMicroseconds += hours * 3_600_000_000
        let cluster = self.cluster
        self.repair(after: .seconds(1), .seconds(10)) {
            cluster.world.wallOffsetMicroseconds -= hours * 3_600_000_000
        }
    }
}
