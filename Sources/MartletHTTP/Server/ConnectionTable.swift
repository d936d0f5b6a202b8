import MartletCore
import Synchronization

/// The open connections, and until when each must have got on.
///
/// Filled by the server's thread, looked through by the coordinator's loop. A socket in it is open: it leaves the table
/// before it is closed.
final class ConnectionTable: Sendable {
    /// What a connection is at.
    enum Phase: String, CaseIterable, Sendable {
        case head, idle, body, send
        /// Waits for nothing but this process.
        case served
    }

    private struct Entry {
        let socket: CInt
        var phase: Phase
        var deadline: Instant
    }

    private struct State {
        var entries: [UInt64: Entry] = [:]
        var last: UInt64 = 0
        var timeouts: [Phase: UInt64] = [:]
    }

    private let state = Mutex(State())

    var count: Int { self.state.withLock { $0.entries.count } }

    /// Connections cut, by what they were at.
    var timeouts: [(phase: Phase, count: UInt64)] {
        self.state.withLock { state in
            Phase.allCases.filter { $0 != .served }.map { ($0, state.timeouts[$0] ?? 0) }
        }
    }

    func count(in phase: Phase) -> Int { self.state.withLock { $0.entries.values.count { $0.phase == phase } } }

    func add(_ socket: CInt, deadline: Instant) -> UInt64 {
        self.state.withLock { state in
            state.last += 1
            state.entries[state.last] = Entry(socket: socket, phase: .head, deadline: deadline)
            return state.last
        }
    }

    func change(_ number: UInt64, to phase: Phase, deadline: Instant = .distantFuture) {
        self.state.withLock { state in
            state.entries[number]?.phase = phase
            state.entries[number]?.deadline = deadline
        }
    }

    func remove(_ number: UInt64) { self.state.withLock { _ = $0.entries.removeValue(forKey: number) } }

    /// Ends connections whose time is up: their thread finds them closed.
    ///
    /// - Returns: how many.
    func cutOverdue(at now: Instant) -> Int {
        self.state.withLock { state in
            let overdue = state.entries.filter { $0.value.deadline <= now }
            for (number, entry) in overdue {
                systemShutdown(entry.socket)
                state.entries[number]!.deadline = .distantFuture
                state.timeouts[entry.phase, default: 0] += 1
            }
            return overdue.count
        }
    }
}
