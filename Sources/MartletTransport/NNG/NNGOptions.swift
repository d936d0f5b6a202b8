/// Bounds and times of ``NNGTransport``.
package struct NNGOptions: Sendable {
    /// The most bytes in one frame, either way. A peer that announces more is disconnected before any memory
    /// is set aside for it.
    package let frameBytesMax: Int
    /// How many requests one connection may have outstanding.
    package let outstandingMax: Int
    /// How many connections one listener accepts.
    package let connectionsMax: Int
    /// The shortest and the longest pause before a lost connection is dialled again.
    package let reconnectDelay: ClosedRange<Duration>
    /// How often a listener is dialled to see whether it still accepts. After a restart the pause doubles each
    /// time, up to thirty seconds, until a minute went by without one: a restart costs all connections.
    package let watchdogInterval: Duration
    /// How long the watchdog waits for a listener's greeting.
    package let watchdogTimeout: Duration
    /// How many dials in a row must fail before a listener is replaced, which costs its connections.
    package let watchdogFailuresMax: Int
    /// Permission bits of an ipc socket. By default only its owner may connect.
    package let ipcPermissions: UInt16

    /// What nng's own limit is set to: it counts the request's number, four bytes in front of each frame.
    var messageBytesMax: Int { self.frameBytesMax + 4 }

    /// - Precondition: bounds are positive, durations are positive, permissions are within 0o777.
    package init(
        frameBytesMax: Int = 8 << 20,
        outstandingMax: Int = 4096,
        connectionsMax: Int = 16384,
        reconnectDelay: ClosedRange<Duration> = .milliseconds(100) ... .seconds(5),
        watchdogInterval: Duration = .seconds(2),
        watchdogTimeout: Duration = .seconds(2),
        watchdogFailuresMax: Int = 2,
        ipcPermissions: UInt16 = 0o600
    ) {
        precondition(frameBytesMax > 0 && frameBytesMax <= 1 << 30, "a frame holds 1 byte to 1 GiB")
        precondition(outstandingMax > 0 && connectionsMax > 0 && watchdogFailuresMax > 0, "a bound is positive")
        precondition(reconnectDelay.lowerBound >= .milliseconds(10), "dialling again at once burns the processor")
        precondition(watchdogInterval > .zero && watchdogTimeout > .zero, "a duration is positive")
        precondition(ipcPermissions & ~0o777 == 0, "permissions are nine bits")
        self.frameBytesMax = frameBytesMax
        self.outstandingMax = outstandingMax
        self.connectionsMax = connectionsMax
        self.reconnectDelay = reconnectDelay
        self.watchdogInterval = watchdogInterval
        self.watchdogTimeout = watchdogTimeout
        self.watchdogFailuresMax = watchdogFailuresMax
        self.ipcPermissions = ipcPermissions
    }
}
