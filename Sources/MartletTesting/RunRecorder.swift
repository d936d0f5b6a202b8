import Martlet
import Synchronization

/// Notes every attempt, as the outermost middleware of a test's worker.
final class RunRecorder: HandlerMiddleware {
    struct Run: Sendable {
        let id: JobID
        let type: String
        let queue: String
        let attempt: Int
        var hasEnded = false
        var error: (any Error)?
    }

    private struct State {
        var runs: [Run] = []
        var endedCount = 0
    }

    private let state = Mutex(State())
    /// Called when an attempt begins, on its thread.
    private let began: @Sendable () -> Void

    init(began: @escaping @Sendable () -> Void) {
        self.began = began
    }

    func handle(_ context: JobContext, next: Next) async throws {
        let run = Run(id: context.id, type: context.type, queue: context.queue, attempt: context.attempt)
        let place = self.state.withLock { state in
            state.runs.append(run)
            return state.runs.count - 1
        }
        self.began()
        do {
            try await next()
            self.end(place, nil)
        } catch {
            self.end(place, error)
            throw error
        }
    }

    private func end(_ place: Int, _ error: (any Error)?) {
        self.state.withLock { state in
            state.runs[place].hasEnded = true
            state.runs[place].error = error
            state.endedCount += 1
        }
    }

    var count: Int { self.state.withLock { $0.runs.count } }
    /// Begun and ended attempts.
    var progress: Int { self.state.withLock { $0.runs.count + $0.endedCount } }

    func run(_ place: Int) -> Run { self.state.withLock { $0.runs[place] } }

    /// For people: what runs.
    var running: String {
        let names = self.state.withLock { state in
            state.runs.filter { !$0.hasEnded }.map { "job \($0.id) (\($0.type), attempt \($0.attempt))" }
        }
        return names.isEmpty ? "no handler" : names.joined(separator: ", ")
    }
}
