public import MartletCore
package import MartletTransport
package import MartletWire

/// An error of the cluster or of the way to it. Match on ``code``.
public struct MartletError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What went wrong. More may come.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Base {
            case addressInvalid, unreachable, timedOut, outcomeUnknown, cancelled, closed, invalidRequest
            case payloadTooLarge, overloaded, storeFull, storeUnavailable, authenticationFailed, versionMismatch
            case nodeNameTaken, tooManyNodes, duplicate, refused, refusedByMiddleware
            case notFound, jobFailed, noResult
            case batchClosed
        }

        private let base: Base

        private init(_ base: Base) { self.base = base }

        /// The address cannot be understood or used.
        public static let addressInvalid = Self(.addressInvalid)
        /// No coordinator answered. Nothing was changed.
        public static let unreachable = Self(.unreachable)
        /// No answer in time. Nothing was changed.
        public static let timedOut = Self(.timedOut)
        /// The jobs were sent and no answer came in time: they may have been accepted or not. Submitting them again
        /// may run them twice.
        public static let outcomeUnknown = Self(.outcomeUnknown)
        /// The task was cancelled before anything was sent.
        public static let cancelled = Self(.cancelled)
        /// The client was closed before anything was sent.
        public static let closed = Self(.closed)
        /// A name, number or payload is out of its bounds; the message says which.
        public static let invalidRequest = Self(.invalidRequest)
        /// The payload is over the coordinator's `payloadMax`.
        public static let payloadTooLarge = Self(.payloadTooLarge)
        /// Too much is waiting, here or at the coordinator. Nothing was changed; try again later.
        public static let overloaded = Self(.overloaded)
        /// The coordinator's disk is full. Nothing was changed.
        public static let storeFull = Self(.storeFull)
        /// The coordinator's store failed. Nothing was changed.
        public static let storeUnavailable = Self(.storeUnavailable)
        /// The cluster token is missing or wrong.
        public static let authenticationFailed = Self(.authenticationFailed)
        /// The two sides do not speak the same version of the protocol.
        public static let versionMismatch = Self(.versionMismatch)
        /// Another live worker has this name.
        public static let nodeNameTaken = Self(.nodeNameTaken)
        /// The coordinator has no room for another worker.
        public static let tooManyNodes = Self(.tooManyNodes)
        /// A job's unique key is taken, and it wants to be refused then. Nothing was created. ``MartletError/existing``
        /// has the key.
        public static let duplicate = Self(.duplicate)
        /// A batch that was named is not there, or is closed. Nothing was created.
        public static let batchClosed = Self(.batchClosed)
        /// The coordinator refused for another reason; the message says why.
        public static let refused = Self(.refused)
        /// A ``SubmitMiddleware`` of this client did not let the jobs through. Nothing was changed, unless it failed
        /// after it had submitted them.
        public static let refusedByMiddleware = Self(.refusedByMiddleware)

        /// There is no such job, any more at least.
        public static let notFound = Self(.notFound)
        /// The job ended other than as succeeded.
        public static let jobFailed = Self(.jobFailed)
        /// The job succeeded, and its handler left no result, or none of the type asked for.
        public static let noResult = Self(.noResult)

        public var description: String { "\(self.base)" }
    }

    public let code: Code
    /// For people. Never contains a payload.
    public let message: String
    /// The C library's result code, if one caused this.
    public let nativeCode: Int32?
    /// With ``Code/duplicate``: the job that has the unique key, unless it is one of the same submit.
    public let existing: JobID?

    package init(_ code: Code, _ message: String, nativeCode: Int32? = nil, existing: JobID? = nil) {
        self.existing = existing
        self.code = code
        self.message = message
        self.nativeCode = nativeCode
    }

    public var description: String { self.message }
}

extension MartletError {
    /// A refusal of the coordinator, which changed nothing.
    package init(_ reply: ErrorReply) {
        let code: Code =
            switch reply.code {
            case .authenticationRequired, .authenticationFailed: .authenticationFailed
            case .invalidRequest, .badSchedule: .invalidRequest
            case .payloadTooLarge: .payloadTooLarge
            case .overloaded, .unavailable: .overloaded
            case .storeFull: .storeFull
            case .storeUnavailable: .storeUnavailable
            case .unknownVersion, .unknownKind: .versionMismatch
            case .nodeNameTaken: .nodeNameTaken
            case .tooManyNodes: .tooManyNodes
            case .duplicate: .duplicate
            case .batchClosed: .batchClosed
            case .notFound: .notFound
            case .malformedFrame, .sessionExpired, .unknownNode, .internal: .refused
            }
        self.init(code, reply.message, existing: reply.existing)
    }

    /// A failure of a request that changes nothing.
    package init(_ error: TransportError) {
        let code: Code =
            switch error.code {
            case .timedOut: .timedOut
            case .connectionLost, .failed, .addressInUse, .permissionDenied: .unreachable
            case .cancelled: .cancelled
            case .closed: .closed
            case .addressInvalid: .addressInvalid
            case .messageTooLarge: .payloadTooLarge
            }
        self.init(code, error.message, nativeCode: error.nativeCode)
    }

    package init(_ error: WireError) {
        self.init(.versionMismatch, "the answer makes no sense: \(error)")
    }
}
