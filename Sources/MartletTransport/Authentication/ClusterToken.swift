import CSodium
package import MartletCore

/// The secret that the members of a cluster share. Never shown by descriptions or mirrors.
package struct ClusterToken: Sendable, CustomStringConvertible, CustomReflectable {
    private let secret: [UInt8]

    /// - Precondition: `secret` is not empty.
    package init(_ secret: [UInt8]) {
        precondition(!secret.isEmpty, "an empty token keeps nobody out")
        // Selects libsodium's fastest code; any number of calls from any thread is fine.
        precondition(sodium_init() >= 0, "libsodium cannot start: the system gives no random numbers")
        self.secret = secret
    }

    package var description: String { "a cluster token" }
    package var customMirror: Mirror { Mirror(self, children: [], displayStyle: .struct) }

    /// What a peer that holds the token answers to the coordinator's `challenge`.
    package func clientProof(challenge: Bytes, nonce: Bytes) -> Bytes {
        self.code(for: "martlet-v1 client", challenge, nonce)
    }

    /// What a coordinator that holds the token answers to a peer's `nonce`.
    package func coordinatorProof(nonce: Bytes, challenge: Bytes) -> Bytes {
        self.code(for: "martlet-v1 coordinator", nonce, challenge)
    }

    /// Compares in a time that does not depend on where the two differ.
    package static func isEqual(_ a: Bytes, _ b: Bytes) -> Bool {
        guard a.count == b.count else { return false }
        return a.withUnsafeBytes { x in b.withUnsafeBytes { y in sodium_memcmp(x.baseAddress, y.baseAddress, x.count) }
        }
            == 0
    }

    /// Thirty-two bytes from `random`, which must be fit for secrets outside of tests.
    package static func nonce(_ random: () -> UInt64) -> Bytes {
        Bytes(
            HeapBlock(count: 32) { bytes in
                for offset in stride(from: 0, to: 32, by: 8) {
                    bytes.storeBytes(of: random().littleEndian, toByteOffset: offset, as: UInt64.self)
                }
            })
    }

    /// HMAC-SHA512-256 as libsodium names it: HMAC-SHA-512, of which the first 32 bytes are used.
    private func code(for role: StaticString, _ first: Bytes, _ second: Bytes) -> Bytes {
        var state = crypto_auth_hmacsha512256_state()
        crypto_auth_hmacsha512256_init(&state, self.secret, self.secret.count)
        crypto_auth_hmacsha512256_update(&state, role.utf8Start, UInt64(role.utf8CodeUnitCount))
        for part in [first, second] {
            part.withUnsafeBytes { bytes in
                _ = crypto_auth_hmacsha512256_update(
                    &state, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt64(bytes.count))
            }
        }
        return Bytes(
            HeapBlock(count: 32) { bytes in
                _ = crypto_auth_hmacsha512256_final(&state, bytes.baseAddress!.assumingMemoryBound(to: UInt8.self))
            })
    }
}
