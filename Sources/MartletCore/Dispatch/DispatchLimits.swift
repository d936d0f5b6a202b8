/// How many jobs of a kind may be with nodes at once, whatever number of nodes, and how groups share a queue.
package struct DispatchLimits: Hashable, Sendable {
    package struct Queue: Hashable, Sendable {
        /// Jobs of the queue; nil is no limit.
        package let concurrency: Int?
        /// Jobs of the queue with the same key; nil is no limit.
        package let keyConcurrency: Int?
        /// Shares of groups; those not named here have 1.
        package let weights: [String: Int]

        /// - Precondition: limits and weights are positive.
        package init(concurrency: Int? = nil, keyConcurrency: Int? = nil, weights: [String: Int] = [:]) {
            precondition(concurrency ?? 1 > 0 && keyConcurrency ?? 1 > 0, "a limit lets one job run at least")
            precondition(weights.values.allSatisfy { (1...Self.weightMax).contains($0) }, "weights are positive")
            self.concurrency = concurrency
            self.keyConcurrency = keyConcurrency
            self.weights = weights
        }

        package static let weightMax = 1000
    }

    package let queues: [String: Queue]
    /// Jobs of a type.
    package let types: [String: Int]
    /// External services.
    package let services: [String: ServiceLimits]
    /// What a job of a type takes of services, unless its submit says otherwise.
    package let typeServices: [String: [ServiceUse]]
    /// Whether nodes are asked for unstarted jobs that idle ones could run.
    package let isStealing: Bool

    package init(
        queues: [String: Queue] = [:], types: [String: Int] = [:], services: [String: ServiceLimits] = [:],
        typeServices: [String: [ServiceUse]] = [:], isStealing: Bool = true
    ) {
        self.isStealing = isStealing
        precondition(types.values.allSatisfy { $0 > 0 }, "a limit lets one job run at least")
        self.queues = queues
        self.types = types
        self.services = services
        self.typeServices = typeServices
    }

    package static let none = DispatchLimits()

    /// What a job of the type takes of services.
    package func services(of share: LaneShare?, type: String) -> [ServiceUse] {
        share?.services?.value ?? self.typeServices[type] ?? []
    }

    /// Whether the lane's jobs are counted, whatever their key.
    package func isCapped(_ lane: LaneKey) -> Bool {
        self.types[lane.type] != nil || self.queues[lane.queue]?.concurrency != nil
    }
}
