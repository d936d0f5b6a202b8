package import MartletCore

/// How one coordinator works. Made from `cluster.json` by the command line.
package struct CoordinatorSettings: Sendable {
    /// What a job type's jobs get where their submit says nothing.
    package struct TypeDefaults: Hashable, Sendable {
        package let timeout: Duration?
        package let retry: RetryPolicy?
        /// Jobs of the type that may be with nodes at once; nil is no limit.
        package let concurrency: Int?
        /// What a job takes of services where its submit says nothing.
        package let services: [ServiceUse]

        package init(
            timeout: Duration? = nil, retry: RetryPolicy? = nil, concurrency: Int? = nil, services: [ServiceUse] = []
        ) {
            self.services = services
            self.timeout = timeout
            self.retry = retry
            self.concurrency = concurrency
        }
    }

    /// How one queue differs from the others.
    package struct QueueSettings: Hashable, Sendable {
        /// Nil: as in ``CoordinatorSettings/times``.
        package let leaseDuration: Duration?
        /// How long jobs that are over stay visible; nil: as ``CoordinatorSettings/retention`` says.
        package let retention: Retention?
        /// What holds of its jobs together, and how its groups share.
        package let limits: DispatchLimits.Queue

        package init(
            leaseDuration: Duration? = nil, retention: Retention? = nil,
            limits: DispatchLimits.Queue = DispatchLimits.Queue()
        ) {
            self.leaseDuration = leaseDuration
            self.retention = retention
            self.limits = limits
        }
    }

    package let clientAddress: String
    package let nodeAddress: String
    /// Demanded of every peer if set; must be set where an address is not loopback.
    package let token: [UInt8]?
    package let payloadMax: Int
    package let submitJobsMax: Int
    /// Bytes of submits that may wait for their commit; over it submitters are told to retry.
    package let pendingBytesMax: Int
    /// Bytes of payloads kept in memory for waiting jobs.
    package let payloadCacheMax: Int
    package let nodesMax: Int
    package let lanesMax: Int
    package let times: SessionTimes
    /// Of queues that do not say otherwise.
    package let retention: Retention
    package let queues: [String: QueueSettings]
    package let typeDefaults: [String: TypeDefaults]
    /// What external services allow, unless somebody set it live.
    package let services: [String: ServiceLimits]
    /// Schedules that are to be there, and no others of the file's.
    package let schedules: [ScheduleDefinition]
    /// How long the jobs of a workflow stay after the last of them has ended.
    package let workflowRetention: Duration
    /// How long a batch stays visible after it has ended.
    package let batchRetention: Duration
    /// Whether nodes give unstarted jobs back for those that are idle.
    package let isStealing: Bool

    /// - Precondition: every bound is positive and `payloadMax` at most 7 MiB, so that a job fits a message.
    package init(
        clientAddress: String, nodeAddress: String, token: [UInt8]? = nil, payloadMax: Int = 1 << 20,
        submitJobsMax: Int = 10_000, pendingBytesMax: Int = 64 << 20, payloadCacheMax: Int = 64 << 20,
        nodesMax: Int = 1024, lanesMax: Int = 10_000, times: SessionTimes = SessionTimes(),
        retention: Retention = .standard, queues: [String: QueueSettings] = [:],
        typeDefaults: [String: TypeDefaults] = [:], services: [String: ServiceLimits] = [:],
        schedules: [ScheduleDefinition] = [],
        workflowRetention: Duration = .seconds(3600), batchRetention: Duration = .seconds(24 * 3600),
        isStealing: Bool = true
    ) {
        self.isStealing = isStealing
        precondition(workflowRetention >= .zero && batchRetention >= .zero, "a time to stay is not negative")
        self.workflowRetention = workflowRetention
        self.batchRetention = batchRetention
        precondition(payloadMax > 0 && payloadMax <= 7 << 20, "a job must fit a message")
        precondition(submitJobsMax > 0 && nodesMax > 0 && lanesMax > 0, "bounds are positive")
        precondition(pendingBytesMax > 0 && payloadCacheMax >= 0, "byte bounds are positive")
        self.clientAddress = clientAddress
        self.nodeAddress = nodeAddress
        self.token = token
        self.payloadMax = payloadMax
        self.submitJobsMax = submitJobsMax
        self.pendingBytesMax = pendingBytesMax
        self.payloadCacheMax = payloadCacheMax
        self.nodesMax = nodesMax
        self.lanesMax = lanesMax
        self.times = times
        self.retention = retention
        self.queues = queues
        self.typeDefaults = typeDefaults
        precondition(services.values.allSatisfy { $0.problem() == nil }, "limits are checked before they are in force")
        self.services = services
        self.schedules = schedules
    }

    /// Whether any queue may keep only so many bytes of jobs that are over.
    var boundsKeptBytes: Bool {
        self.retention.bytesMax != nil || self.queues.values.contains { $0.retention?.bytesMax != nil }
    }

    package func retention(of queue: String) -> Retention { self.queues[queue]?.retention ?? self.retention }

    /// The part of the settings that the dispatcher goes by.
    package var dispatchLimits: DispatchLimits {
        DispatchLimits(
            queues: self.queues.mapValues(\.limits), types: self.typeDefaults.compactMapValues(\.concurrency),
            services: self.services,
            typeServices: self.typeDefaults.mapValues(\.services).filter { !$0.value.isEmpty },
            isStealing: self.isStealing)
    }

    /// What it can do for nodes beyond version 0.1.0.
    package var features: PeerFeatures { self.isStealing ? .current : PeerFeatures.current.subtracting(.stealing) }

    /// The times of a node that serves `queues`, all if empty: it has one heartbeat and so one lease duration, the
    /// longest that any of its queues asks for.
    package func times(serving queues: [String]) -> SessionTimes {
        let settings = queues.isEmpty ? Array(self.queues.values) : queues.compactMap { self.queues[$0] }
        var durations = settings.compactMap(\.leaseDuration)
        // Some queue that it serves has no wish of its own.
        if queues.isEmpty || durations.count < queues.count { durations.append(self.times.leaseDuration) }
        return SessionTimes(
            heartbeatInterval: self.times.heartbeatInterval, silentAfter: self.times.silentAfter,
            leaseDuration: durations.max() ?? self.times.leaseDuration)
    }
}
