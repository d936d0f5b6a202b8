package import MartletCore

package struct ListQueues: Message {
    package static let kind = FrameKind.listQueues

    package init() {}
}

/// One job type of one queue, its priorities added up.
package struct QueueView: Hashable, Sendable {
    package var queue: String
    package var type: String
    /// Waiting to run.
    package var ready: UInt64 = 0
    package var running: UInt64 = 0
    package var scheduled: UInt64 = 0
    package var dead: UInt64 = 0
    package var submittedTotal: UInt64 = 0
    package var succeededTotal: UInt64 = 0
    package var retriedTotal: UInt64 = 0
    package var cancelledTotal: UInt64 = 0
    package var expiredTotal: UInt64 = 0
    package var deletedTotal: UInt64 = 0
    /// Connected nodes that serve it.
    package var nodeCount: UInt32 = 0
    /// For how long the oldest ready job has waited; nil if none waits, or nobody says.
    package var oldestReadyAge: Duration?
    /// Of jobs that stay though they are over.
    package var keptBytes: UInt64 = 0

    package init(queue: String, type: String) {
        self.queue = queue
        self.type = type
    }
}

package struct QueueList: Message {
    package static let kind = FrameKind.queueList

    package var queues: [QueueView]

    package init(queues: [QueueView]) {
        self.queues = queues
    }
}

package struct ListNodes: Message {
    package static let kind = FrameKind.listNodes

    package init() {}
}

package struct NodeView: Hashable, Sendable {
    package enum Status: UInt8, Sendable, CaseIterable {
        case live = 1
        /// Silent for longer than the silence limit; gets no work.
        case silent = 2
        /// Finishing its work before it leaves.
        case draining = 3
        /// Known from before a restart of the coordinator; its inventory is awaited.
        case awaited = 4
    }

    package var name: String
    package var incarnation: UInt64
    package var status: Status
    package var slots: UInt32
    package var queues: [String]
    package var types: [String]
    /// Jobs leased to it, started or not.
    package var leased: UInt32
    package var sinceHeard: Duration
    package var succeededTotal: UInt64
    package var failedTotal: UInt64
    /// Handlers that were told to stop and have not.
    package var stuck: UInt32
    package var steals: StealCounts

    package init(
        name: String, incarnation: UInt64, status: Status, slots: UInt32, queues: [String], types: [String],
        leased: UInt32, sinceHeard: Duration, succeededTotal: UInt64, failedTotal: UInt64, stuck: UInt32 = 0,
        steals: StealCounts = StealCounts()
    ) {
        self.steals = steals
        self.stuck = stuck
        self.name = name
        self.incarnation = incarnation
        self.status = status
        self.slots = slots
        self.queues = queues
        self.types = types
        self.leased = leased
        self.sinceHeard = sinceHeard
        self.succeededTotal = succeededTotal
        self.failedTotal = failedTotal
    }
}

package struct NodeList: Message {
    package static let kind = FrameKind.nodeList

    package var nodes: [NodeView]

    package init(nodes: [NodeView]) {
        self.nodes = nodes
    }
}
