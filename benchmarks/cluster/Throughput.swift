import Foundation
import Martlet

/// Jobs a second, from the first submit to the last accepted completion, and what a job costs each process.
struct Throughput {
    let cluster: Cluster
    private var settings: Settings { self.cluster.settings }

    init(_ cluster: Cluster) {
        self.cluster = cluster
    }

    func measure() async throws {
        if self.settings.countsAllocations { AllocationReport.begin() }
        let coordinator = try self.cluster.start("coordinator")
        let node = try self.cluster.start("node")
        let client = try await self.cluster.connect()
        try await self.cluster.waitForNodes()
        let load = Load(cluster: self.cluster, client: client)
        try await load.prepare()
        let warmUp = try await load.submit(self.settings.jobs / 10)
        try await self.cluster.wait(until: UInt64(warmUp))

        let processes = [("client", ProcessUsage.own), ("coordinator", coordinator), ("node", node)]
        let before = try processes.map { try $0.1.read() }
        let clock = ContinuousClock()
        let start = clock.now
        let count = try await load.submit(self.settings.jobs)
        let submitted = (clock.now - start) / .seconds(1)
        try await self.cluster.wait(until: UInt64(warmUp + count))
        let done = (clock.now - start) / .seconds(1)
        let after = try processes.map { try $0.1.read() }

        var findings = Findings()
        let rate = Int(Double(count) / done)
        print(
            "end to end: \(rate) jobs/s (\(count) \(self.settings.style) jobs, \(self.settings.payload) bytes, \(self.how), "
                + "\(self.settings.nodes) node(s) of \(self.settings.slots) slots; all submitted after "
                + "\(text(submitted)) s, all done after \(text(done)) s)")
        findings.add("jobsPerSecond", rate)
        findings.add("jobs", count)
        for (place, (name, _)) in processes.enumerated() {
            let used = after[place] - before[place]
            let cpu = used.cpuSeconds / Double(count) * 1e6
            var line = "  \(name): \(text(cpu)) µs of CPU a job"
            findings.add("\(name)CPUMicroseconds", cpu)
            if let allocations = used.allocations {
                let each = Double(allocations) / Double(count)
                line += ", \(text(each)) heap allocations a job"
                findings.add("\(name)Allocations", each)
            }
            print(line)
        }
        findings.add("coordinatorMiB", after[1].residentMiB)
        findings.printed(if: self.settings.json)
        await client.close()
    }

    private var how: String {
        var parts = [
            self.settings.style == .single
                ? "one a submit from \(self.settings.producers) tasks" : "submits of \(self.settings.batch)"
        ]
        if self.settings.queues > 1 { parts.append("\(self.settings.queues) queues") }
        if self.settings.groups > 0 { parts.append("\(self.settings.groups) groups") }
        if self.settings.queued > 0 { parts.append("\(self.settings.queued) others queued") }
        if self.settings.blocked > 0 { parts.append("\(self.settings.blocked) others blocked") }
        return parts.joined(separator: ", ")
    }
}

func text(_ value: Double) -> String { String(format: "%.3f", value) }
