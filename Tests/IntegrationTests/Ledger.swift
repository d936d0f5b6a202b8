import Martlet
import Synchronization

/// What a test has submitted, and what it was told of it.
final class Ledger: Sendable {
    struct Entries {
        /// Payload numbers of jobs that were acknowledged.
        var acknowledged: [Int: JobID] = [:]
        /// Sent, and never answered: they may exist.
        var unknown: Set<Int> = []
        /// Answered with an error: they do not exist.
        var refused: [Int: MartletError] = [:]
        fileprivate var lastNumber = 0
        fileprivate var isStopped = false
    }

    private let entries = Mutex(Entries())

    var now: Entries { self.entries.withLock { $0 } }
    var acknowledgedCount: Int { self.entries.withLock { $0.acknowledged.count } }
    private var isStopped: Bool { self.entries.withLock { $0.isStopped } }

    /// Lets the load end after the submits that are under way.
    func stop() { self.entries.withLock { $0.isStopped = true } }

    /// Submits jobs in one call and notes what became of it.
    ///
    /// - Parameter payloadBytes: the payload is padded to this many.
    /// - Returns: the payloads' numbers if they were acknowledged.
    @discardableResult
    func submit(
        _ count: Int, of type: String = "work", milliseconds: Int = 0, payloadBytes: Int = 0, by client: Client
    ) async -> [Int]? {
        let numbers = self.entries.withLock { entries in
            defer { entries.lastNumber += count }
            return (1...count).map { entries.lastNumber + $0 }
        }
        let jobs = numbers.map { number in
            let text = "\(number) \(milliseconds) "
            let padding = String(repeating: "x", count: max(0, payloadBytes - text.utf8.count))
            return RawJob(type: type, payload: Payload(text + padding))
        }
        do {
            let ids = try await client.submit(raw: jobs)
            self.entries.withLock { entries in
                for (number, id) in zip(numbers, ids) { entries.acknowledged[number] = id }
            }
            return numbers
        } catch {
            self.entries.withLock { entries in
                for number in numbers {
                    if error.code == .outcomeUnknown {
                        entries.unknown.insert(number)
                    } else {
                        entries.refused[number] = error
                    }
                }
            }
            return nil
        }
    }

    /// Submits from several tasks until ``stop()``.
    func load(tasks: Int, perSubmit: Int, milliseconds: Int, by client: Client) async {
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<tasks {
                group.addTask {
                    while !self.isStopped, !Task.isCancelled {
                        await self.submit(perSubmit, milliseconds: milliseconds, by: client)
                        // Keeps the backlog of a short test short; nothing waits for it.
                        try? await Task.sleep(for: .milliseconds(15))
                    }
                }
            }
        }
    }
}
