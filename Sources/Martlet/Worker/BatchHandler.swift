import MartletCore
import Synchronization

/// A handler that takes many jobs at once, and what it takes them for.
package final class BatchHandler: Sendable {
    /// One job of a batch.
    package struct Item: Sendable {
        let payload: Bytes
        let context: JobContext
    }

    /// What became of each job, nil for success, in order.
    package typealias Body = @Sendable ([Item]) async -> [(any Error)?]

    let shape: BatchShape
    /// Of the line in which its jobs wait.
    let line: Int
    let body: Body

    package init(shape: BatchShape, line: Int, body: @escaping Body) {
        self.shape = shape
        self.line = line
        self.body = body
    }

    func run(_ jobs: [WorkerCore.Job], deadline: Instant) async -> WorkerCore.Outcome {
        // No checkpoints here: whatever a later attempt begins with, it would be another batch's.
        let desks = jobs.map { _ in AttemptDesk(hasNews: NewsFlag()) { _, _, _ in false } }
        let items = zip(jobs, desks).map { job, desk in
            Item(
                payload: job.payload,
                context: JobContext(job, deadline: deadline, desk: desk, use: desk.begin(job.id)))
        }
        let errors = await self.body(items)
        return .batch(
            zip(errors, desks).map { error, desk in
                let completion = desk.end()
                return error.map { .failed($0) } ?? .succeeded(leaving: completion)
            })
    }
}

extension [any HandlerMiddleware] {
    /// `body` with all of these around each job of a batch: one within the other, the handler innermost, with the jobs
    /// that came through.
    func around(_ body: @escaping BatchHandler.Body) -> BatchHandler.Body {
        guard !self.isEmpty else { return body }
        return { items in
            let passage = BatchPassage(items: items, middleware: self, body: body)
            await passage.go(through: 0)
            return passage.errors
        }
    }
}

/// The way of one batch through the middleware.
private final class BatchPassage: Sendable {
    private struct State {
        var errors: [(any Error)?]
        var hasEntered: [Bool]
    }

    private let items: [BatchHandler.Item]
    private let middleware: [any HandlerMiddleware]
    private let body: BatchHandler.Body
    private let state: Mutex<State>

    init(items: [BatchHandler.Item], middleware: [any HandlerMiddleware], body: @escaping BatchHandler.Body) {
        self.items = items
        self.middleware = middleware
        self.body = body
        self.state = Mutex(
            State(
                errors: Array(repeating: nil, count: items.count),
                hasEntered: Array(repeating: false, count: items.count)))
    }

    var errors: [(any Error)?] { self.state.withLock { $0.errors } }

    /// Sends the jobs from `place` on through the middleware, then all that came through to the handler.
    func go(through place: Int) async {
        guard place < self.items.count else { return await self.handle() }
        let chain = self.middleware.around { _, _ in
            let isFirst = self.state.withLock { state in
                defer { state.hasEntered[place] = true }
                return !state.hasEntered[place]
            }
            // The handler is called once, whatever a middleware does.
            if isFirst { await self.go(through: place + 1) }
            if let error = self.state.withLock({ $0.errors[place] }) { throw error }
        }
        let item = self.items[place]
        do {
            try await chain(item.payload, item.context)
            self.state.withLock { $0.errors[place] = nil }
        } catch {
            self.state.withLock { $0.errors[place] = error }
        }
        // The others are not to blame for what kept this one out.
        if !self.state.withLock({ $0.hasEntered[place] }) { await self.go(through: place + 1) }
    }

    private func handle() async {
        let places = self.state.withLock { state in state.hasEntered.indices.filter { state.hasEntered[$0] } }
        guard !places.isEmpty else { return }
        let errors = await self.body(places.map { self.items[$0] })
        self.state.withLock { state in
            for (place, error) in zip(places, errors) { state.errors[place] = error }
        }
    }
}
