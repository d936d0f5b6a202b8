import Foundation
import Martlet

/// A large batch or workflow, submitted and waited for; or the node that runs it. `benchmarks/groups.py` starts and
/// measures these.
///
///     group-benchmark batch COUNT CLIENTS-ADDRESS
///     group-benchmark workflow fan|chain|grid COUNT CLIENTS-ADDRESS
///     group-benchmark node NODES-ADDRESS
@main struct GroupBenchmark {
    static func main() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        switch (arguments.first, arguments.count) {
        case ("batch", 3): try await Self.batch(Int(arguments[1])!, arguments[2])
        case ("workflow", 4): try await Self.workflow(arguments[1], Int(arguments[2])!, arguments[3])
        case ("node", 2): try await Self.node(arguments[1])
        default: exit(2)
        }
    }

    private static func node(_ address: String) async throws {
        let worker = Worker(WorkerConfiguration(name: "node", address: address, slots: 64))
        worker.register(Member.self)
        worker.register(Called.self)
        try await worker.run()
    }

    private static func batch(_ count: Int, _ address: String) async throws {
        let client = try await Client.connect(to: address)
        var clock = Clock()
        let batch = try await client.openBatch(
            "\(count) jobs", onEnd: Called(), onSuccess: Called(), onDeath: Called())
        try await batch.submit(stream: Members(count: count))
        try await batch.close()
        try await clock.tell("submitted", count)
        while let status = try await batch.status(), !status.isFinished {
            try await Task.sleep(for: .milliseconds(20))
        }
        try await clock.tell("ended", count)
        guard let status = try await batch.status(), status.succeeded == count else { exit(1) }
        await client.close()
    }

    private static func workflow(_ shape: String, _ count: Int, _ address: String) async throws {
        let client = try await Client.connect(to: address)
        var clock = Clock()
        let handle = try await client.submit(Self.workflow(shape, count))
        try await clock.tell("submitted", count)
        _ = try await handle.status()
        try await clock.tell("reported", count)
        while let workflow = try await client.workflows(limit: 1).first, !workflow.isFinished {
            try await Task.sleep(for: .milliseconds(20))
        }
        try await clock.tell("ended", count)
        guard let status = try await handle.status(), status.failedCount == 0, status.jobCount == count else { exit(1) }
        await client.close()
    }

    private static func workflow(_ shape: String, _ count: Int) -> Workflow {
        var workflow = Workflow("\(shape) of \(count)")
        var steps: [Workflow.Step] = []
        for number in 0..<count {
            let parents: [Workflow.Step]
            switch shape {
            // One, then all others, then one that waits for them all.
            case "fan": parents = number == 0 ? [] : number == count - 1 ? Array(steps.dropFirst()) : [steps[0]]
            case "chain": parents = steps.suffix(1)
            // Rows of a hundred; each job waits for ten of the row before.
            default:
                parents = number < 100 ? [] : (0..<10).map { steps[(number / 100 - 1) * 100 + (number + $0 * 7) % 100] }
            }
            steps.append(workflow.add(Member(number: number), after: parents))
        }
        return workflow
    }
}

/// Says how long it took since the last time, and waits until whoever measures has looked.
private struct Clock {
    private var last = ContinuousClock.now

    mutating func tell(_ what: String, _ count: Int) async throws {
        let seconds = Double((ContinuousClock.now - self.last) / .milliseconds(1)) / 1000
        FileHandle.standardOutput.write(Data("\(what) \(count) \(seconds)\n".utf8))
        _ = readLine()
        self.last = .now
    }
}

struct Member: Job {
    static let type = "member"
    var number: Int
    var text = String(repeating: "x", count: 170)

    func run(_ context: JobContext) async throws {}
}

struct Called: Job {
    static let type = "called"

    func run(_ context: JobContext) async throws {}
}

struct Members: AsyncSequence, AsyncIteratorProtocol, Sendable {
    let count: Int
    private var next = 0

    init(count: Int) {
        self.count = count
    }

    func makeAsyncIterator() -> Members { self }

    mutating func next() async -> Member? {
        guard self.next < self.count else { return nil }
        self.next += 1
        return Member(number: self.next)
    }
}
