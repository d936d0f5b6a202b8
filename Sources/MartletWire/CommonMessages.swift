package import MartletCore

/// A request was not served.
package struct ErrorReply: Message, Error {
    package static let kind = FrameKind.error

    /// Numbers are part of the protocol. A reader that does not know one treats it as `internal`.
    package enum Code: UInt16, Sendable, CaseIterable {
        case malformedFrame = 1
        case unknownVersion = 2
        case unknownKind = 3
        /// Prove the cluster token first; ``ErrorReply/challenge`` holds the nonce.
        case authenticationRequired = 4
        case authenticationFailed = 5
        /// A field is out of its bounds; the message says which.
        case invalidRequest = 6
        case payloadTooLarge = 7
        /// Too much is waiting. Retry after a delay.
        case overloaded = 8
        /// The store has no space. Nothing was changed.
        case storeFull = 9
        /// The store refused; nothing was changed.
        case storeUnavailable = 10
        case sessionExpired = 11
        case notFound = 12
        /// Register (again): the coordinator does not know this node session.
        case unknownNode = 13
        /// A live node has this name.
        case nodeNameTaken = 14
        case tooManyNodes = 15
        /// The coordinator is starting or stopping.
        case unavailable = 16
        case `internal` = 17
        /// A unique key is taken, and the job wants to be refused then. Nothing was created.
        case duplicate = 18
        /// A batch that was named is not there or takes no more members. Nothing was created.
        case batchClosed = 19
        /// A cron expression, an interval or a time zone makes no sense. Nothing was stored.
        case badSchedule = 20
    }

    package var code: Code
    package var message: String
    /// With `authenticationRequired`: 32 random bytes to be proved against. Else empty.
    package var challenge: Bytes
    /// With `duplicate`: the job that has the key, if it is not one of the same submit.
    package var existing: JobID?

    package init(_ code: Code, _ message: String, challenge: Bytes = .empty, existing: JobID? = nil) {
        self.existing = existing
        self.code = code
        self.message = message
        self.challenge = challenge
    }
}

/// Proves that the sender holds the cluster token.
package struct Authenticate: Message {
    package static let kind = FrameKind.authenticate

    /// 32 random bytes of the sender's.
    package var nonce: Bytes
    /// HMAC-SHA512-256 under the token over `"martlet-v1 client" + challenge + nonce`.
    package var proof: Bytes

    package init(nonce: Bytes, proof: Bytes) {
        self.nonce = nonce
        self.proof = proof
    }
}

/// The proof was right; here is the coordinator's own.
package struct Authenticated: Message {
    package static let kind = FrameKind.authenticated

    /// HMAC-SHA512-256 under the token over `"martlet-v1 coordinator" + nonce + challenge`.
    package var proof: Bytes

    package init(proof: Bytes) {
        self.proof = proof
    }
}
