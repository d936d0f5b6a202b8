/// What happened at one listener since it was opened.
package struct ListenerStatistics: Sendable, Hashable {
    /// Connected now.
    package var connections = 0
    package var connectionsAccepted = 0
    /// Over ``NNGOptions/connectionsMax``.
    package var connectionsRefused = 0
    /// Arrived as their connection ended, or after the listener closed.
    package var requestsDropped = 0
    /// Over ``NNGOptions/frameBytesMax``; the peer got no answer.
    package var repliesTooLarge = 0
    /// Could not be handed to nng.
    package var repliesFailed = 0
    package var probes = 0
    package var probesFailed = 0
    /// How often the watchdog replaced a listener that had stopped accepting.
    package var restarts = 0
    package var restartsFailed = 0

    package init() {}

    var connectionsSeen: Int { self.connectionsAccepted + self.connectionsRefused }
}
