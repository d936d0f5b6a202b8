import Foundation
import Synchronization

/// A real HTTP service that takes so many requests a second and answers 429 over it. It notes when each arrived.
final class LimitedHTTPService: Sendable {
    private struct State {
        var arrivals: [ContinuousClock.Instant] = []
        var rejected = 0
        /// The level of a bucket that begins full.
        var tokens: Double
        var filledAt = ContinuousClock.now
        var isOver = false
    }

    let port: Int
    private let rate: Double
    private let burst: Double
    private let listener: Int32
    private let state: Mutex<State>

    /// - Parameters:
    ///   - rate: requests a second.
    ///   - burst: requests that it takes at once; what callers may be late by is to be counted in.
    init(rate: Double, burst: Double) throws {
        self.rate = rate
        self.burst = burst
        self.state = Mutex(State(tokens: burst))
        self.port = try Ports.free(1)[0]
        self.listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var on: Int32 = 1
        setsockopt(self.listener, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        guard withSocketAddress(port: self.port, { bind(self.listener, $0, $1) }) == 0, listen(self.listener, 512) == 0
        else { throw Failure("the service cannot listen") }
        Thread.detachNewThread { self.serve() }
    }

    var arrivals: [ContinuousClock.Instant] { self.state.withLock { $0.arrivals } }
    var rejected: Int { self.state.withLock { $0.rejected } }

    func stop() {
        self.state.withLock { $0.isOver = true }
        shutdown(self.listener, Int32(SHUT_RDWR))
        close(self.listener)
    }

    private func serve() {
        while true {
            let connection = accept(self.listener, nil, nil)
            guard connection >= 0 else {
                if self.state.withLock({ $0.isOver }) { return }
                continue
            }
            let isTaken = self.arrive()
            var request = [UInt8](repeating: 0, count: 1024)
            _ = read(connection, &request, request.count)
            let status = isTaken ? "200 OK" : "429 Too Many Requests"
            let answer = Array("HTTP/1.1 \(status)\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".utf8)
            _ = answer.withUnsafeBytes { send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            close(connection)
        }
    }

    private func arrive() -> Bool {
        self.state.withLock { state in
            let now = ContinuousClock.now
            state.tokens = min(self.burst, state.tokens + (now - state.filledAt) / .seconds(1) * self.rate)
            state.filledAt = now
            state.arrivals.append(now)
            guard state.tokens >= 1 else {
                state.rejected += 1
                return false
            }
            state.tokens -= 1
            return true
        }
    }
}
