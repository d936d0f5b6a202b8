package import MartletCore

/// Opens listeners and connections: nng in production, ``InMemoryNetwork`` in tests and simulation.
package protocol Transport: Sendable {
    /// Listens on `address` (`tcp://127.0.0.1:7400`, `ipc:///run/martlet.sock`). Port 0 takes a free one.
    ///
    /// - Parameter contexts: how many requests may be held unanswered at once. Over it, clients wait.
    func listen(at address: String, contexts: Int) async throws(TransportError) -> any RequestListener

    /// Makes a connection that dials `address` in the background and dials again, with back-off and
    /// jitter, whenever it is lost. Does not wait for the peer to be there.
    func connect(to address: String) throws(TransportError) -> any RequestConnection
}

/// The serving side: requests arrive, each is answered once, at any time and in any order.
package protocol RequestListener: Sendable {
    /// The address in use, with the port that was given out.
    var address: String { get }

    /// Waits until something has arrived and returns all of it. Empty once the listener is closed.
    ///
    /// One caller at a time.
    func receive() async -> [ListenerEvent]

    func close() async

    /// What came and went so far.
    var statistics: ListenerStatistics { get }
}

extension RequestListener {
    package var statistics: ListenerStatistics { ListenerStatistics() }
}

package enum ListenerEvent: Sendable {
    case request(any IncomingRequest)
    /// The peer's connection ended. Its unanswered requests may still be answered; nobody will hear it.
    case peerLost(PeerID)
}

/// One connection of one peer. Never reused within a listener's life.
package struct PeerID: Hashable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }
}

/// A request waiting for its answer. Dropping it unanswered frees its context without an answer.
package protocol IncomingRequest: AnyObject, Sendable {
    var peer: PeerID { get }
    var frame: Bytes { get }

    /// Answers. Success is not delivery: the peer may be gone. The second and later calls do nothing.
    func reply(_ frame: Bytes)
}

/// The asking side. Any number of requests may be outstanding; each has a context of its own.
package protocol RequestConnection: Sendable {
    /// Sends `frame` and waits for its answer.
    ///
    /// - Parameter timeout: measured on the monotonic clock.
    /// - Throws: `.timedOut`; `.connectionLost` if the connection ended under the request, which may or may
    ///   not have been served; `.cancelled` with the task; `.closed`. Nothing is resent by itself.
    func request(_ frame: Bytes, timeout: Duration) async throws(TransportError) -> Bytes

    func close() async
}

/// Why a transport call failed. Match on ``code``.
package struct TransportError: Error, Sendable, CustomStringConvertible {
    package enum Code: Hashable, Sendable {
        case timedOut
        case connectionLost
        case cancelled
        case closed
        case addressInUse
        case addressInvalid
        case permissionDenied
        case messageTooLarge
        /// Anything else; ``TransportError/nativeCode`` says what.
        case failed
    }

    package let code: Code
    package let message: String
    /// nng's result code, if one caused this.
    package let nativeCode: Int32?

    package init(_ code: Code, _ message: String, nativeCode: Int32? = nil) {
        self.code = code
        self.message = message
        self.nativeCode = nativeCode
    }

    package var description: String { self.message }
}
