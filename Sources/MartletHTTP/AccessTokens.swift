import CSodium

/// What the holder of a token may do; each may do what those before it may.
package enum AccessRole: UInt8, Comparable, Sendable, CaseIterable {
    /// Look at everything, payloads too.
    case read = 1
    /// Create jobs.
    case submit = 2
    /// Change and remove what is there.
    case admin = 3

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// The bearer tokens that are known, kept as digests. Without any, everybody who gets here may do everything.
package struct AccessTokens: Sendable, CustomStringConvertible, CustomReflectable {
    package static let none = AccessTokens([])
    private static let digestBytes = 32

    private let digests: [(digest: [UInt8], role: AccessRole)]

    package init(_ tokens: [(token: [UInt8], role: AccessRole)]) {
        precondition(sodium_init() >= 0, "libsodium cannot start: the system gives no random numbers")
        self.digests = tokens.map { (Self.digest($0.token), $0.role) }
    }

    package var isEmpty: Bool { self.digests.isEmpty }
    package var description: String { "\(self.digests.count) access tokens" }
    package var customMirror: Mirror { Mirror(self, children: [], displayStyle: .struct) }

    /// What the holder of `token` may do; nil if it is not known. Takes equally long for all that are wrong.
    package func role(of token: some Collection<UInt8>) -> AccessRole? {
        let digest = Self.digest(Array(token))
        var role: AccessRole?
        for known in self.digests where sodium_memcmp(known.digest, digest, Self.digestBytes) == 0 {
            role = max(role ?? known.role, known.role)
        }
        return role
    }

    private static func digest(_ token: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Self.digestBytes)
        crypto_generichash(&digest, Self.digestBytes, token, UInt64(token.count), nil, 0)
        return digest
    }
}
