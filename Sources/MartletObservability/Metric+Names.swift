/// Every metric of the coordinator. `docs/operations.md` explains each.
extension Metric {
    /// Queues, and pairs of queue and job type, that have series of their own; those used later share one whose names
    /// are ``otherName``.
    package static let queuesMax = 200
    package static let queueTypesMax = 500
    /// No queue can be called so.
    package static let otherName = "(other)"

    private static let perPair = ["queue", "type"]
    private static let folded = "Queues and types beyond the first \(queueTypesMax) pairs are added up as \(otherName)."
    private static let foldedQueues = "Queues beyond the first \(queuesMax) are added up as \(otherName)."

    // MARK: The process

    package static let buildInfo = Metric(
        "martlet_build_info", .gauge, "1, with the coordinator's version.", ["version"])
    package static let epoch = Metric(
        "martlet_coordinator_epoch", .gauge, "How often a coordinator has taken over the store.")
    package static let recovering = Metric(
        "martlet_coordinator_recovering", .gauge, "1 while recovered jobs wait for the nodes known from before.")
    package static let processCPU = Metric(
        "process_cpu_seconds_total", .counter, "CPU time of the coordinator's process, user and system.")
    package static let processMemory = Metric(
        "process_resident_memory_bytes", .gauge, "Memory that the coordinator's process has in use.")
    package static let processFiles = Metric(
        "process_open_fds", .gauge, "Files and sockets that the coordinator's process has open.")
    package static let processFilesMax = Metric("process_max_fds", .gauge, "How many of them it may have open.")
    package static let processStart = Metric(
        "process_start_time_seconds", .gauge, "When the coordinator's process was started, since 1970.")

    // MARK: Queues

    package static let queueJobs = Metric(
        "martlet_queue_jobs", .gauge,
        "Jobs by state: ready (waiting to run), running (with a node), scheduled, dead. \(folded)",
        perPair + ["state"])
    package static let queueOldestAge = Metric(
        "martlet_queue_oldest_ready_age_seconds", .gauge,
        "For how long the oldest ready job has waited; 0 if none waits. \(folded)",
        perPair)
    package static let queueNodes = Metric(
        "martlet_queue_nodes", .gauge, "Connected nodes that serve the queue and type. \(folded)", perPair)
    package static let queueKeptBytes = Metric(
        "martlet_queue_kept_bytes", .gauge, "What jobs take in the store that stay though they are over. \(folded)",
        perPair)
    package static let runnableJobs = Metric(
        "martlet_queue_runnable_jobs", .gauge,
        "Ready jobs for which nothing but a node or a free slot is missing: scale on these. \(foldedQueues)",
        ["queue"])
    package static let blockedJobs = Metric(
        "martlet_queue_blocked_jobs", .gauge,
        "Ready jobs that something holds up, by what: more nodes would not help. \(foldedQueues)",
        ["queue", "reason"])
    package static let queuePaused = Metric(
        "martlet_queue_paused", .gauge, "1 while the queue is paused. \(foldedQueues)", ["queue"])

    // MARK: Jobs

    package static let submitted = Metric(
        "martlet_jobs_submitted_total", .counter, "Jobs that were accepted since the store was made. \(folded)", perPair
    )
    package static let succeeded = Metric(
        "martlet_jobs_succeeded_total", .counter, "Jobs that succeeded since the store was made. \(folded)", perPair)
    package static let retried = Metric(
        "martlet_jobs_retried_total", .counter,
        "Failed attempts that were followed by a retry since the store was made. \(folded)",
        perPair)
    package static let cancelled = Metric(
        "martlet_jobs_cancelled_total", .counter, "Jobs that were cancelled since the store was made. \(folded)",
        perPair)
    package static let expired = Metric(
        "martlet_jobs_expired_total", .counter,
        "Jobs that had not started in time, since the store was made. \(folded)", perPair)
    package static let failed = Metric(
        "martlet_attempts_failed_total", .counter,
        "Attempts that failed since the coordinator started, node deaths included. \(foldedQueues)",
        ["queue"])
    package static let died = Metric(
        "martlet_jobs_dead_total", .counter, "Jobs that ended as dead since the coordinator started. \(foldedQueues)",
        ["queue"])
    package static let started = Metric(
        "martlet_attempts_started_total", .counter, "Leases that went to nodes since the coordinator started.")
    package static let returned = Metric(
        "martlet_attempts_returned_total", .counter,
        "Leases that nodes gave back unstarted since the coordinator started.")
    package static let resultsRefused = Metric(
        "martlet_results_refused_total", .counter, "Results that came after their lease had ended.")
    package static let waitTimes = Metric(
        "martlet_job_wait_seconds", .histogram,
        "From ready to a node, measured when jobs are assigned. \(foldedQueues)", ["queue"],
        unit: .nanoseconds)
    package static let runTimes = Metric(
        "martlet_job_run_seconds", .histogram,
        "From delivery to report, so that prefetched jobs count their wait on the node. \(foldedQueues)", ["queue"],
        unit: .nanoseconds)

    // MARK: Nodes

    package static let nodes = Metric("martlet_nodes", .gauge, "Known nodes by status.", ["status"])
    package static let nodeSlots = Metric(
        "martlet_node_slots", .gauge, "Handlers that the node may run at once.", ["node"])
    package static let nodeLeased = Metric(
        "martlet_node_leased_jobs", .gauge, "Jobs that the node has, started or not.", ["node"])
    package static let nodeUnstarted = Metric(
        "martlet_node_unstarted_jobs", .gauge, "Jobs that the node has and had not started when it said so last.",
        ["node"])
    package static let nodeHeartbeat = Metric(
        "martlet_node_heartbeat_age_seconds", .gauge, "Since when the node has been silent.", ["node"])
    package static let nodeStuck = Metric(
        "martlet_node_stuck_handlers", .gauge, "Handlers that were told to stop and have not.", ["node"])
    package static let nodeSucceeded = Metric(
        "martlet_node_jobs_succeeded_total", .counter, "Jobs that succeeded on the node since it registered.", ["node"])
    package static let nodeFailed = Metric(
        "martlet_node_attempts_failed_total", .counter, "Attempts that failed on the node since it registered.",
        ["node"])

    package static let nodeStealAsks = Metric(
        "martlet_node_steal_asks_total", .counter, "Times that the node was asked to give unstarted jobs back.",
        ["node"])
    package static let nodeGaveBack = Metric(
        "martlet_node_steal_returns_total", .counter, "Jobs that the node gave back because it was asked.", ["node"])
    package static let nodeTookOver = Metric(
        "martlet_node_steal_gains_total", .counter, "Jobs that the node got after another had given them back.",
        ["node"])

    // MARK: Services

    package static let serviceTokens = Metric(
        "martlet_service_tokens", .gauge, "Whole tokens in the bucket that has least.", ["service"])
    package static let serviceRateShare = Metric(
        "martlet_service_rate_ratio", .gauge, "Share of the configured rate that is in force.", ["service"])
    package static let serviceHeld = Metric(
        "martlet_service_running_jobs", .gauge, "Jobs with nodes that use it.", ["service"])
    package static let serviceWaiting = Metric(
        "martlet_service_waiting_jobs", .gauge, "Ready jobs that use it.", ["service"])
    package static let serviceClosed = Metric(
        "martlet_service_closed", .gauge, "1 while it lets nothing through because it was unavailable or is paused.",
        ["service"])
    package static let serviceGrants = Metric(
        "martlet_service_grants_total", .counter, "What it let through since the coordinator started.", ["service"])
    package static let serviceTokensSpent = Metric(
        "martlet_service_tokens_spent_total", .counter, "Tokens that were spent since the coordinator started.",
        ["service"])
    package static let serviceWaits = Metric(
        "martlet_service_waits_total", .counter, "How often it held something up since the coordinator started.",
        ["service"])
    package static let serviceRejections = Metric(
        "martlet_service_rejections_total", .counter,
        "How often handlers found it unavailable since the coordinator started.", ["service"])

    // MARK: Schedules

    package static let schedules = Metric("martlet_schedules", .gauge, "Schedules that are defined.")
    package static let schedulesFired = Metric(
        "martlet_schedule_fires_total", .counter, "Instants of schedules that made a job.")
    package static let schedulesSkipped = Metric(
        "martlet_schedule_skips_total", .counter, "Instants that were skipped because the run before went on.")
    package static let schedulesMissed = Metric(
        "martlet_schedule_misses_total", .counter, "Instants that were missed and had no run.")
    package static let schedulesBroken = Metric(
        "martlet_schedules_broken", .gauge, "Schedules that do not fire although nobody paused them.")

    // MARK: The store

    package static let commitGroupJobs = Metric(
        "martlet_commit_group_jobs", .histogram, "Jobs that a commit group was about.")
    package static let commitTimes = Metric(
        "martlet_commit_seconds", .histogram, "How long a commit group took, its sync included.", unit: .nanoseconds)
    package static let syncTimes = Metric(
        "martlet_store_sync_seconds", .histogram,
        "How long the COMMIT of a transaction took, which waits for the disk.",
        unit: .nanoseconds)
    package static let commitFailures = Metric(
        "martlet_commit_failures_total", .counter, "Commit groups that were rolled back: a full disk, most often.")
    package static let pendingBytes = Metric(
        "martlet_commit_pending_bytes", .gauge, "Bytes of submits and results that wait for their commit.")
    package static let storeReadable = Metric(
        "martlet_store_readable", .gauge, "1 if the counts of the queues could be read just now.")
    package static let payloadBytes = Metric(
        "martlet_payload_cache_bytes", .gauge, "Payloads of waiting jobs that are held in memory.")

    // MARK: Connections

    package static let connections = Metric(
        "martlet_connections", .gauge, "Open nng connections.", ["channel"])
    package static let connectionsAccepted = Metric(
        "martlet_connections_accepted_total", .counter, "nng connections that were accepted.", ["channel"])
    package static let transportErrors = Metric(
        "martlet_transport_errors_total", .counter, "What went wrong on nng connections, by kind.", ["channel", "kind"])
    package static let requestsRefused = Metric(
        "martlet_requests_refused_total", .counter, "Requests over nng that were answered with an error, by its code.",
        ["channel", "code"])
    package static let httpRequests = Metric(
        "martlet_http_requests_total", .counter, "HTTP requests that were answered, by route and status.",
        ["method", "route", "status"])
    package static let httpTimes = Metric(
        "martlet_http_request_seconds", .histogram, "From the last byte of an HTTP request to its answer.",
        unit: .nanoseconds)
    package static let httpConnections = Metric("martlet_http_connections", .gauge, "Open HTTP connections.")
    package static let httpConnectionsMax = Metric(
        "martlet_http_connections_max", .gauge, "HTTP connections that may be open; more wait to be accepted.")
    package static let httpTimeouts = Metric(
        "martlet_http_timeouts_total", .counter,
        "HTTP connections that were cut because their peer was too slow, by phase.", ["phase"])
}

extension Metric {
    /// All of them, in the order in which they are shown.
    package static let all: [Metric] = [
        buildInfo, epoch, recovering, processCPU, processMemory, processFiles, processFilesMax, processStart, queueJobs,
        queueOldestAge, queueNodes, queueKeptBytes, runnableJobs, blockedJobs, queuePaused, submitted, succeeded,
        retried,
        cancelled, expired, failed, died, started, returned, resultsRefused, waitTimes, runTimes, nodes, nodeSlots,
        nodeLeased, nodeUnstarted, nodeHeartbeat, nodeStuck, nodeSucceeded, nodeFailed, nodeStealAsks, nodeGaveBack,
        nodeTookOver, serviceTokens, serviceRateShare,
        serviceHeld, serviceWaiting, serviceClosed, serviceGrants, serviceTokensSpent, serviceWaits, serviceRejections,
        schedules, schedulesFired, schedulesSkipped, schedulesMissed, schedulesBroken, commitGroupJobs, commitTimes,
        syncTimes, commitFailures, pendingBytes, storeReadable, payloadBytes, connections, connectionsAccepted,
        transportErrors, requestsRefused, httpRequests, httpTimes, httpConnections, httpConnectionsMax, httpTimeouts,
    ]
}
