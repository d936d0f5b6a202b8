import Foundation
import Martlet

/// What many waiting jobs cost: memory, and the time to start again.
struct Growth {
    let cluster: Cluster
    private var settings: Settings { self.cluster.settings }

    init(_ cluster: Cluster) {
        self.cluster = cluster
    }

    /// The coordinator's memory with many jobs queued and nobody to run them.
    func memory() async throws {
        let coordinator = try self.cluster.start("coordinator")
        let client = try await self.cluster.connect()
        let before = try coordinator.read().residentMiB
        try await Load(cluster: self.cluster, client: client).submit(self.settings.jobs)
        let after = try coordinator.read().residentMiB
        print("coordinator memory: \(before) MiB empty, \(after) MiB with \(self.settings.jobs) jobs queued")
        var findings = Findings()
        findings.add("jobs", self.settings.jobs)
        findings.add("emptyMiB", before)
        findings.add("queuedMiB", after)
        findings.printed(if: self.settings.json)
        await client.close()
    }

    /// From the start of a coordinator, whose last run was killed with many jobs queued, to the first answer and to the
    /// first run of a new job.
    func restart() async throws {
        try self.cluster.start("coordinator")
        var client = try await self.cluster.connect()
        try await Load(cluster: self.cluster, client: client).prepare()
        await client.close()
        self.cluster.kill("coordinator")

        let clock = ContinuousClock()
        let start = clock.now
        let coordinator = try self.cluster.start("coordinator")
        client = try await self.cluster.connect()
        let answered = (clock.now - start) / .seconds(1)
        try self.cluster.start("node")
        try await self.cluster.waitForNodes()
        let joined = clock.now
        try await client.submit(raw: RawJob(type: Load.throughputType))
        try await self.cluster.wait(until: 1)
        let ran = (clock.now - joined) / .seconds(1)
        let memory = try coordinator.read().residentMiB
        print(
            "restart with \(self.settings.queued) jobs queued: serving after \(text(answered)) s, a new job is done "
                + "\(text(ran)) s after a node joined; \(memory) MiB")
        var findings = Findings()
        findings.add("queued", self.settings.queued)
        findings.add("servingSeconds", answered)
        findings.add("firstJobSeconds", ran)
        findings.add("coordinatorMiB", memory)
        findings.printed(if: self.settings.json)
        await client.close()
    }
}
