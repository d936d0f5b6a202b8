import MartletCore
import MartletWire

/// A stand-in for external services: counts what the coordinator lets through and what begins to run, by itself.
struct ServiceWitness {
    /// Tokens taken at a time.
    struct Taken {
        let at: Instant
        let tokens: Int
        /// Of the coordinator that gave them out.
        var epoch = Epoch(rawValue: 0)
    }

    /// By service, and by service and key.
    var grants: [String: [Taken]] = [:]
    /// What jobs took when they began, and their calls inside.
    var starts: [String: [Taken]] = [:]
    /// Tokens for calls inside of jobs: granted at some time between these.
    var chunks: [String: [(after: Instant, before: Instant, epoch: Epoch)]] = [:]
    /// Leases whose delivery was seen: one that was lost comes again.
    var seen: Set<LeaseToken> = []
    /// How far each coordinator's clock is ahead of the world's.
    var clockOffsets: [Epoch: Duration] = [:]
    /// How far the wall clock was ahead when a coordinator took over; nil if it was set meanwhile.
    var wallOffsets: [Epoch: Int64] = [:]
    var lastEpoch = Epoch(rawValue: 0)
    /// What services allow, by service and by service and `/` for each of its keys.
    var allowed: [String: AllowedRates] = [:]
    /// Services that asked to be left alone, as a node was told that the coordinator knows.
    var closings: [Closing] = []
    /// When each handler first said so.
    var turnedAwayAt: [LeaseToken: Instant] = [:]
    /// Acknowledged pauses.
    var pauses: [(service: String, from: Instant, until: Instant)] = []
    /// How often a job was given to a node, and how often a service turned its handler away.
    var runs: [JobID: (leases: Int, turnedAway: Int)] = [:]

    struct Closing {
        let service: String
        let from: Instant
        let until: Instant
        let epoch: Epoch
        /// Of the wall clock; nil if it was set meanwhile.
        let wallOffset: Int64?
    }
}

extension SimulatedCluster {
    static let services = [
        "s": ServiceLimits(
            rates: [
                RateLimit(tokens: 10, per: .seconds(1), burst: 3), RateLimit(tokens: 300, per: .seconds(60), burst: 60),
            ], breaker: BreakerLimits(failuresToOpen: 3, openFor: .seconds(1))),
        "m": ServiceLimits(
            rates: [RateLimit(tokens: 20, per: .seconds(1), burst: 5)], concurrency: 3,
            perKey: KeyedLimits(rates: [RateLimit(tokens: 4, per: .seconds(1), burst: 2)], concurrency: 2, keysMax: 2)),
        // Of calls inside of jobs only.
        "c": ServiceLimits(rates: [RateLimit(tokens: 6, per: .seconds(1), burst: 4)]),
    ]

    /// Gives some jobs services to use.
    func use(_ options: inout JobOptions) {
        switch self.world.random.below(12) {
        case 0: options.services = ["s"]
        case 1: options.services = [ServiceUse("s", weight: 2)]
        case 2: options.services = [ServiceUse("m", key: "t\(self.world.random.below(3))")]
        case 3: options.services = [ServiceUse("m", key: "t\(self.world.random.below(3))", weight: 2), "s"]
        default: break
        }
    }

    /// How many jobs may run at once, by the services that they use.
    static func limit(_ limits: inout Witness.Limits, by uses: [ServiceUse]) {
        limits.services = uses
        for use in uses {
            if let most = Self.services[use.service]?.concurrency { limits.most["service \(use.service)"] = most }
            if let key = use.key, let most = Self.services[use.service]?.perKey?.concurrency {
                limits.most["service \(use.service)/\(key)"] = most
            }
        }
    }

    /// Other limits for a service: its rates and bursts, each as they are, halved or doubled.
    func nextLimits(of name: String) -> ServiceLimits {
        let usual = Self.services[name]!
        let (rate, burst) = (1 + self.world.random.below(3), 1 + self.world.random.below(3))
        func changed(_ rates: [RateLimit]) -> [RateLimit] {
            rates.map {
                // No job weighs more than 2.
                RateLimit(
                    tokens: max(1, $0.tokens * rate / 2), per: $0.period, burst: max(2, $0.burst * burst / 2))
            }
        }
        return ServiceLimits(
            rates: changed(usual.rates), concurrency: usual.concurrency,
            perKey: usual.perKey.map {
                KeyedLimits(rates: changed($0.rates), concurrency: $0.concurrency, keysMax: $0.keysMax)
            }, adaptive: usual.adaptive, breaker: usual.breaker)
    }
}

extension Witness {
    /// A node has been given jobs.
    func delivered(_ delivery: Delivery) {
        self.delivered(delivery.jobs.map(\.id))
        for job in delivery.jobs {
            let lease = LeaseToken(epoch: delivery.epoch, sequence: job.leaseSequence)
            guard self.services.seen.insert(lease).inserted else { continue }
            self.services.runs[job.id, default: (0, 0)].leases += 1
            guard let startBy = job.extras?.startBy, let offset = self.services.clockOffsets[delivery.epoch],
                let uses = self.stored[job.id].flatMap({ self.limits[$0] })?.services
            else { continue }
            self.count(.grantSeen)
            let at = startBy + (.zero - offset - DispatchCore.startDelayMax)
            Self.note(uses, at: at, epoch: delivery.epoch, in: &self.services.grants)
        }
    }

    /// The handler of a job begins.
    func starts(_ id: JobID, at now: Instant) {
        guard let uses = self.stored[id].flatMap({ self.limits[$0] })?.services, !uses.isEmpty else { return }
        self.count(.limitedStart)
        Self.note(uses, at: now, in: &self.services.starts)
    }

    /// A handler has tokens, and makes its calls now.
    func acquired(_ use: ServiceUse, at now: Instant) {
        self.count(.tokensAcquired)
        Self.note([use], at: now, in: &self.services.starts)
    }

    private static func note(
        _ uses: [ServiceUse], at now: Instant, epoch: Epoch = Epoch(rawValue: 0),
        in taken: inout [String: [ServiceWitness.Taken]]
    ) {
        for use in uses {
            let entry = ServiceWitness.Taken(at: now, tokens: use.weight, epoch: epoch)
            taken[use.service, default: []].append(entry)
            if let key = use.key { taken["\(use.service)/\(key)", default: []].append(entry) }
        }
    }

    // MARK: Attempts

    func turnedAway(_ id: JobID) {
        self.count(.turnedAway)
        self.services.runs[id, default: (0, 0)].turnedAway += 1
    }

    /// A job has failed so often, once a run at most: none counts in which a service turned it away.
    func checkFailures(_ count: Int, of id: JobID, _ failure: JobFailure?) {
        let runs = self.services.runs[id] ?? (0, 0)
        // A failure that was stored, and not answered before a takeover, is told again and may count again.
        let takeovers = Int(self.services.lastEpoch.rawValue) - 1
        guard count > runs.leases - runs.turnedAway + max(takeovers, 0) else { return }
        self.fail(
            "job \(id) has \(count) failures, \(runs.leases) runs, and services turned it away \(runs.turnedAway)"
                + (failure.map { ": \($0.kind) \($0.message)" } ?? ""))
    }

    // MARK: In the end

    /// In no window more is let through than `burst + rate * t`, nor started than `burst + rate * (t + d)`, of what is in
    /// force; and nothing while a service is paused or to be left alone.
    func checkServices() {
        for (what, taken, slack) in [
            ("let through", self.services.grants, Duration.zero),
            ("started", self.services.starts, DispatchCore.startDelayMax),
        ] {
            for name in taken.keys.sorted() {
                let parts = name.split(separator: "/")
                guard let allowed = self.services.allowed[parts.count == 1 ? name : "\(parts[0])/"],
                    let excess = allowed.excess(of: taken[name]!, slack: slack)
                else { continue }
                self.fail("service \(name): \(excess) were \(what)")
            }
        }
        for pause in self.services.pauses {
            self.checkQuiet(pause.service, from: pause.from, until: pause.until, "is paused") { _ in true }
        }
        for closing in self.services.closings {
            self.checkQuiet(closing.service, from: closing.from, until: closing.until, "asked to be left alone") {
                // What is left after a takeover is known by the wall clock.
                $0 == closing.epoch || closing.wallOffset != nil && self.services.wallOffsets[$0] == closing.wallOffset
            }
        }
    }

    private func checkQuiet(
        _ service: String, from: Instant, until: Instant, _ what: String, concerns: (Epoch) -> Bool
    ) {
        for taken in self.services.grants[service] ?? [] where taken.at > from && taken.at < until {
            guard concerns(taken.epoch) else { continue }
            return self.fail("service \(service) let a job through \(until - taken.at) too early: it \(what)")
        }
        for chunk in self.services.chunks[service] ?? [] where chunk.after > from && chunk.before < until {
            guard concerns(chunk.epoch) else { continue }
            return self.fail("service \(service) gave tokens out \(until - chunk.before) too early: it \(what)")
        }
    }
}
