import Foundation
import Martlet

/// Deletes all files of an account, a job each, and reports once when the last one is gone.
///
///     account-deletion [COUNT [ADDRESS-OF-CLIENTS [ADDRESS-OF-NODES]]]
///
/// Needs a coordinator. Streams the jobs, 100,000 unless said otherwise, into a batch, so that neither this process nor
/// the coordinator holds them all, works them off, and ends with the report.
@main struct AccountDeletion {
    static func main() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        let count = arguments.first.flatMap(Int.init) ?? 100_000
        let clients = arguments.count > 1 ? arguments[1] : "tcp://127.0.0.1:7400"
        let nodes = arguments.count > 2 ? arguments[2] : "tcp://127.0.0.1:7401"
        let client = try await Client.connect(to: clients)

        let begin = ContinuousClock.now
        let batch = try await client.openBatch(
            "delete account 7", onEnd: Report(account: 7), onDeath: CallSomebody(account: 7))
        print("batch \(batch.id): martlet batch show \(batch.id) --watch")
        try await batch.submit(stream: Files(account: 7, count: count))
        try await batch.close()
        print("\(count) jobs submitted in \(begin.duration(to: .now))")

        let worker = Worker(WorkerConfiguration(name: "account-deletion", address: nodes, slots: 16))
        worker.register(DeleteFile.self)
        worker.register(Report.self)
        worker.register(CallSomebody.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await worker.run() }
            // The callback's id is the one behind the batch's.
            while let status = try await batch.status(), !status.isFinished {
                try await Task.sleep(for: .milliseconds(200))
            }
            _ = try? await client.outcome(of: JobID(rawValue: batch.id.rawValue + 1), timeout: .seconds(60))
            group.cancelAll()
        }
        if let status = try await batch.status() {
            print("\(status.succeeded) of \(status.total) deleted in \(begin.duration(to: .now))")
        }
        await client.close()
    }
}

/// The files of an account, one at a time, as a database cursor would give them.
struct Files: AsyncSequence, AsyncIteratorProtocol, Sendable {
    let account: Int
    let count: Int
    private var next = 0

    init(account: Int, count: Int) {
        self.account = account
        self.count = count
    }

    func makeAsyncIterator() -> Files { self }

    mutating func next() async -> DeleteFile? {
        guard self.next < self.count else { return nil }
        self.next += 1
        return DeleteFile(account: self.account, file: self.next)
    }
}

struct DeleteFile: Job {
    static let type = "account.delete-file"
    var account: Int
    var file: Int

    func run(_ context: JobContext) async throws {}
}

struct Report: Job {
    static let type = "account.report"
    var account: Int

    func run(_ context: JobContext) async throws { print("account \(self.account) is deleted") }
}

struct CallSomebody: Job {
    static let type = "account.call"
    var account: Int

    func run(_ context: JobContext) async throws { print("some file of account \(self.account) cannot be deleted") }
}
