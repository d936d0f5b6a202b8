import MartletCoordinator
import MartletCore
import MartletJSON
import MartletRuntime
import MartletWire
import Synchronization

/// What a cluster is at, in one line of JSON: looked up once however many want to know.
final class OverviewSampler: Sendable {
    private struct State {
        var at = Instant(nanoseconds: 0)
        var text = ""
        var isLooking = false
    }

    /// What was seen within it is seen again.
    static let age: Duration = .milliseconds(900)

    private let state = Mutex(State())

    /// - Throws: what the store says.
    func sample(_ parts: Coordinator.Parts, at now: Instant) async throws -> String {
        let known = self.state.withLock { state -> String? in
            if state.isLooking || now - state.at < Self.age, !state.text.isEmpty { return state.text }
            state.isLooking = true
            return nil
        }
        if let known { return known }
        defer { self.state.withLock { $0.isLooking = false } }
        let text = try await Self.look(parts)
        self.state.withLock { state in
            state.text = text
            state.at = now
        }
        return text
    }

    private static func look(_ parts: Coordinator.Parts) async throws -> String {
        var sum = QueueView(queue: "", type: "")
        for view in try await parts.clients.queues().queues { sum.add(view) }
        var (runnable, blocked) = (0, 0)
        for part in await parts.dispatcher.backlog() {
            if WaitReason(part.blocker).isRunnable { runnable += part.count } else { blocked += part.count }
        }
        let nodes = await parts.registry.views()
        let attempts = parts.registry.metrics.counts
        return JSONOutput.object([
            ("runnable", .count(runnable)), ("blocked", .count(blocked)), ("running", .count(sum.running)),
            ("scheduled", .count(sum.scheduled)), ("dead", .count(sum.dead)),
            ("oldestReadySeconds", sum.oldestReadyAge.map { .seconds($0) } ?? .null),
            ("submittedTotal", .count(sum.submittedTotal)), ("succeededTotal", .count(sum.succeededTotal)),
            ("retriedTotal", .count(sum.retriedTotal)),
            ("failedAttemptsTotal", .count(attempts.queues.reduce(0) { $0 + $1.failed })),
            ("nodes", .count(nodes.count { $0.status == .live })),
            ("slots", .count(nodes.reduce(0) { $0 + Int($1.slots) })),
            ("leased", .count(nodes.reduce(0) { $0 + Int($1.leased) })),
        ]).text
    }
}
