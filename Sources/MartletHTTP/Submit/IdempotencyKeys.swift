import CSodium
import MartletCore
import Synchronization

/// What `Idempotency-Key` headers stand for.
///
/// A key is the name of a client session of its own, so the store remembers what it was answered: durable, for an hour after
/// its last use. That the same key came with another body is noticed while it is among the last ones seen here.
final class IdempotencyKeys: Sendable {
    private struct State {
        var bodies: [SessionID: UInt64] = [:]
        var order = Deque<SessionID>()
    }

    static let lengthMax = 255
    /// Keys whose bodies are remembered.
    private static let rememberedMax = 10_000

    private let state = Mutex(State())

    /// Why this can be no key, or nil if it can.
    static func problem(_ key: String) -> String? {
        guard (1...Self.lengthMax).contains(key.utf8.count), key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            return "Idempotency-Key must have 1 to \(Self.lengthMax) visible ASCII characters"
        }
        return nil
    }

    /// - Parameter holder: who uses the key: others may use the same one.
    static func session(of key: String, path: Substring, holder: String) -> SessionID {
        let digest = Self.digest(Array("\(path)\u{0}\(holder)\u{0}\(key)".utf8), count: 16)
        return SessionID(high: Self.number(digest[..<8]), low: Self.number(digest[8...]))
    }

    /// Notes what came with a key. False if it was something else before.
    func note(_ session: SessionID, body: [UInt8]) -> Bool {
        let fingerprint = Self.number(Self.digest(body, count: 16)[..<8])
        return self.state.withLock { state in
            if let known = state.bodies[session] { return known == fingerprint }
            state.bodies[session] = fingerprint
            state.order.append(session)
            if state.order.count > Self.rememberedMax, let oldest = state.order.popFirst() {
                state.bodies[oldest] = nil
            }
            return true
        }
    }

    private static func digest(_ bytes: [UInt8], count: Int) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: count)
        crypto_generichash(&digest, count, bytes, UInt64(bytes.count), nil, 0)
        return digest
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
}
