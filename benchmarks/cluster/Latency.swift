import Foundation
import Martlet
import MartletRuntime

/// From the submit call to the start of the handler, beside what it cannot do without: one sync of the disk and one
/// round trip of nng, measured in turn with it. On an idle cluster, or beside a steady load.
struct Latency {
    let cluster: Cluster
    private var settings: Settings { self.cluster.settings }
    /// Samples that are left out.
    private let warmUp = 50

    init(_ cluster: Cluster) {
        self.cluster = cluster
    }

    func measure() async throws {
        for role in ["coordinator", "node", "echo"] { try self.cluster.start(role) }
        let client = try await self.cluster.connect()
        try await self.cluster.waitForNodes()
        let load = Load(cluster: self.cluster, client: client)
        try await load.prepare()
        let disk = try DiskProbe(folder: self.cluster.folder)
        let wire = try WireProbe(address: self.settings.echoAddress)
        let submit = load.steadySubmitter(self.settings.load)
        let loader = self.settings.load > 0 ? Task { try await submit() } : nil
        try await self.sample(client, disk, wire)
        loader?.cancel()
        _ = await loader?.result
        let whole = try await self.samplesTaken()
        self.report(whole, Samples(disk.samples.dropFirst(self.warmUp)), Samples(wire.samples.dropFirst(self.warmUp)))
        await client.close()
    }

    private func sample(_ client: Client, _ disk: DiskProbe, _ wire: WireProbe) async throws {
        let loop = self.cluster.loop
        for _ in 0..<self.warmUp + self.settings.samples {
            let sent = withUnsafeBytes(of: loop.now.nanoseconds) { Array($0) }
            let padding = [UInt8](repeating: 0, count: max(0, self.settings.payload - 8))
            try await client.submit(raw: RawJob(type: Load.latencyType, payload: Payload(copying: sent + padding)))
            try await loop.sleep(for: .milliseconds(4))
            // Beside a load, the probes would be part of it.
            if self.settings.load == 0 || disk.samples.isEmpty || disk.samples.count <= self.warmUp { disk.sample() }
            try await loop.sleep(for: .milliseconds(4))
            if self.settings.load == 0 || wire.samples.isEmpty || wire.samples.count <= self.warmUp {
                try wire.sample()
            }
            try await loop.sleep(for: .milliseconds(4))
        }
    }

    /// What the handlers wrote, once all have.
    private func samplesTaken() async throws -> Samples {
        let wanted = self.warmUp + self.settings.samples
        while true {
            let text = try String(contentsOfFile: self.cluster.folder + "/latencies", encoding: .utf8)
            let taken = text.split(separator: "\n").compactMap { UInt64($0) }
            if taken.count >= wanted { return Samples(taken.dropFirst(self.warmUp)) }
            try await self.cluster.loop.sleep(for: .milliseconds(10))
        }
    }

    private func report(_ whole: Samples, _ sync: Samples, _ trip: Samples) {
        let beside = self.settings.load == 0 ? "idle" : "at \(self.settings.load) jobs/s"
        print("latency \(beside), submit call to handler start: \(whole)")
        var findings = Findings()
        findings.add("medianMilliseconds", whole.median)
        findings.add("p99Milliseconds", whole.p99)
        findings.add("samples", whole.count)
        if self.settings.load == 0 {
            print("  one sync of 8 KiB on this disk: \(sync)")
            print("  one bare nng round trip between two processes: \(trip)")
            print("  everything else, by the medians: \(text(whole.median - sync.median - trip.median)) ms")
            findings.add("syncMilliseconds", sync.median)
            findings.add("roundTripMilliseconds", trip.median)
        }
        findings.printed(if: self.settings.json)
    }
}
