package import MartletCore
package import MartletRuntime
import MartletWire
import Synchronization

/// A connection that proves the cluster token when the coordinator demands it, then asks again.
///
/// The first request that is refused for want of proof carries the handshake out; others wait for it. It is
/// needed again after each loss of the connection, which shows as another demand.
package final class AuthenticatingConnection: RequestConnection {
    /// How a handshake ended for those who waited for it.
    private enum Outcome: Sendable {
        /// Proved, or nothing known: ask again.
        case askAgain
        /// The coordinator refused; this is its reply.
        case refused(Bytes)
        case failed(TransportError)
    }

    private struct State {
        /// Grows with each proof, to see whether one came after a request was sent.
        var proofs: UInt64 = 0
        var isProving = false
        var lastWaiter: UInt64 = 0
        var waiters: [UInt64: UnsafeContinuation<Outcome, Never>] = [:]
    }

    /// Demands that one request answers before it gives up. Each loss of the connection costs one.
    private static let attemptsMax = 5

    private let base: any RequestConnection
    private let token: ClusterToken
    private let loop: EventLoop
    private let state = Mutex(State())

    package init(_ base: any RequestConnection, token: ClusterToken, loop: EventLoop) {
        self.base = base
        self.token = token
        self.loop = loop
    }

    /// As ``RequestConnection/request(_:timeout:)``; `timeout` covers the handshake too.
    ///
    /// A refusal of the token is returned as the coordinator's reply, an `ErrorReply`.
    package func request(_ frame: Bytes, timeout: Duration) async throws(TransportError) -> Bytes {
        let deadline = self.loop.now + timeout
        var reply = Bytes.empty
        for _ in 0..<Self.attemptsMax {
            let proofs = self.state.withLock { $0.proofs }
            reply = try await self.base.request(frame, timeout: max(.zero, deadline - self.loop.now))
            guard let challenge = Self.challenge(in: reply) else { return reply }
            switch await self.prove(challenge, unlessProvedAfter: proofs, deadline: deadline) {
            case .askAgain: continue
            case .refused(let refusal): return refusal
            case .failed(let error): throw error
            }
        }
        return reply
    }

    package func close() async {
        await self.base.close()
    }

    /// The challenge, if `reply` demands proof.
    private static func challenge(in reply: Bytes) -> Bytes? {
        // The kind's place in the header; other replies are not decoded twice.
        guard reply.count > 5, reply.withUnsafeBytes({ $0[5] }) == FrameKind.error.rawValue else { return nil }
        guard let error = try? ErrorReply.decode(reply), error.code == .authenticationRequired else { return nil }
        return error.challenge
    }

    private func prove(
        _ challenge: Bytes, unlessProvedAfter proofs: UInt64, deadline: Instant
    ) async -> Outcome {
        enum Part {
            case none, lead
            case wait(UInt64)
        }
        let part: Part = self.state.withLock { state in
            if state.proofs != proofs { return .none }
            if !state.isProving {
                state.isProving = true
                return .lead
            }
            state.lastWaiter += 1
            return .wait(state.lastWaiter)
        }
        switch part {
        case .none: return .askAgain
        case .wait(let waiter): return await self.wait(waiter, deadline: deadline)
        case .lead:
            let outcome = await self.carryOut(challenge, deadline: deadline)
            self.finish(outcome)
            return outcome
        }
    }

    private func carryOut(_ challenge: Bytes, deadline: Instant) async -> Outcome {
        let nonce = ClusterToken.nonce(self.loop.random)
        let message = Authenticate(nonce: nonce, proof: self.token.clientProof(challenge: challenge, nonce: nonce))
        let reply: Bytes
        do throws(TransportError) {
            reply = try await self.base.request(message.encoded(), timeout: max(.zero, deadline - self.loop.now))
        } catch {
            return .failed(error)
        }
        // The coordinator forgot its challenge, or the connection is another one now.
        if Self.challenge(in: reply) != nil { return .askAgain }
        guard let answer = try? Reply<Authenticated>.decode(reply) else {
            return .failed(TransportError(.failed, "the coordinator's answer to the proof cannot be read"))
        }
        switch answer {
        case .refused: return .refused(reply)
        case .message(let authenticated):
            let expected = self.token.coordinatorProof(nonce: nonce, challenge: challenge)
            guard ClusterToken.isEqual(authenticated.proof, expected) else {
                return .failed(TransportError(.failed, "the coordinator does not hold the cluster token"))
            }
            self.state.withLock { $0.proofs += 1 }
            return .askAgain
        }
    }

    /// Lets those who waited go on.
    private func finish(_ outcome: Outcome) {
        let waiters = self.state.withLock { state in
            state.isProving = false
            defer { state.waiters = [:] }
            return state.waiters.sorted { $0.key < $1.key }.map(\.value)
        }
        // What ended the leader's attempt, its deadline or its cancellation, is not theirs.
        let shared: Outcome = if case .failed(let error) = outcome, error.code != .failed { .askAgain } else { outcome }
        for waiter in waiters { waiter.resume(returning: shared) }
    }

    private func wait(_ waiter: UInt64, deadline: Instant) async -> Outcome {
        let timer = self.loop.schedule(at: deadline) { self.release(waiter, .timedOut, "no reply came in time") }
        defer { self.loop.cancel(timer) }
        return await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                let outcome: Outcome? = self.state.withLock { state in
                    if !state.isProving { return .askAgain }
                    if Task.isCancelled {
                        return .failed(TransportError(.cancelled, "the request was cancelled"))
                    }
                    if self.loop.now >= deadline { return .failed(TransportError(.timedOut, "no reply came in time")) }
                    state.waiters[waiter] = continuation
                    return nil
                }
                if let outcome { continuation.resume(returning: outcome) }
            }
        } onCancel: {
            self.release(waiter, .cancelled, "the request was cancelled")
        }
    }

    private func release(_ waiter: UInt64, _ code: TransportError.Code, _ text: String) {
        let continuation = self.state.withLock { $0.waiters.removeValue(forKey: waiter) }
        continuation?.resume(returning: .failed(TransportError(code, text)))
    }
}
