import MartletCore
import MartletWire

/// Services and explanations.
extension Sample {
    static let services = [
        Sample("set-service", SetService(name: "stripe", action: .limits(Samples.serviceLimits), by: "ann")),
        Sample("set-service-pause", SetService(name: "maps", action: .pause, by: "ops@host")),
        Sample("service-set", ServiceSet(isChanged: true, what: "paused")),
        Sample("list-services", ListServices(changesMax: 20)),
        Sample(
            "service-list",
            ServiceList(
                services: [Samples.service, Samples.freshService],
                changes: [
                    ServiceChange(
                        name: "stripe", at: WallTime(microseconds: 1_700_000_000_000_000), by: "ann", what: "paused")
                ])),
        Sample("explain-job", ExplainJob(id: JobID(shard: 1, sequence: 42))),
        Sample(
            "job-explanation",
            JobExplanation(
                state: .ready, reason: .serviceTokens, subject: "stripe",
                since: WallTime(microseconds: 1_700_000_000_000_000), ahead: 7, missing: 16, startsIn: .seconds(8))),
        Sample("job-explanation-bare", JobExplanation(state: .running, reason: .running, subject: "worker-1")),
        Sample("explain-queue", ExplainQueue(name: "billing:eu")),
        Sample(
            "queue-explanation",
            QueueExplanation(
                runnable: 3, blocked: 100_000, running: 2,
                parts: [
                    .init(reason: .serviceTokens, subject: "stripe", count: 100_000, startsIn: .milliseconds(500)),
                    .init(reason: .slot, subject: "", count: 3),
                ])),
    ]
}

extension Samples {
    static let serviceLimits = ServiceLimits(
        rates: [
            RateLimit(tokens: 100, per: .seconds(1), burst: 20),
            RateLimit(tokens: 50_000, per: .seconds(86400), burst: 9),
        ], concurrency: 10,
        perKey: KeyedLimits(rates: [RateLimit(tokens: 2, per: .seconds(1), burst: 3)], concurrency: 4, keysMax: 77),
        adaptive: AdaptiveLimits(decrease: 700, floor: 10, step: 20, stepInterval: .seconds(3), closedFor: .seconds(4)),
        breaker: BreakerLimits(failuresToOpen: 7, openFor: .seconds(8)))

    static let freshService = ServiceView(
        name: "maps", limits: ServiceLimits(concurrency: 3, adaptive: nil, breaker: nil))

    static let service: ServiceView = {
        var view = ServiceView(
            name: "stripe", limits: Samples.serviceLimits, isConfigured: true, isChanged: true, isPaused: true,
            level: 12, rateShare: 500, held: 3, waiting: 100_000, closing: .serviceClosed, opensIn: .seconds(7),
            changedAt: WallTime(microseconds: 1_700_000_000_000_000), changedBy: "ann")
        (view.grants, view.tokens, view.waits, view.rejections) = (1000, 1500, 70, 2)
        return view
    }()
}
