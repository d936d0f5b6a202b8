import MartletCore
import MartletWire

/// A stand-in for external services: counts what the coordinator lets through and what begins to run, by itself.
struct ServiceWitness {
    /// Tokens taken at a time.
    struct Taken {
        let at: Instant
        let tokens: Int
    }

    /// By service, and by service and key.
    var grants: [String: [Taken]] = [:]
    var starts: [String: [Taken]] = [:]
    /// Leases whose delivery was seen: one that was lost comes again.
    var seen: Set<LeaseToken> = []
    /// How far each coordinator's clock is ahead of the world's.
    var clockOffsets: [Epoch: Duration] = [:]
}

extension SimulatedCluster {
    static let services = [
        "s": ServiceLimits(
            rates: [
                RateLimit(tokens: 10, per: .seconds(1), burst: 3), RateLimit(tokens: 300, per: .seconds(60), burst: 60),
            ]),
        "m": ServiceLimits(
            rates: [RateLimit(tokens: 20, per: .seconds(1), burst: 5)], concurrency: 3,
            perKey: KeyedLimits(rates: [RateLimit(tokens: 4, per: .seconds(1), burst: 2)], concurrency: 2, keysMax: 2)),
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
}

extension Witness {
    /// A node has been given jobs.
    func delivered(_ delivery: Delivery) {
        self.delivered(delivery.jobs.map(\.id))
        for job in delivery.jobs {
            guard let startBy = job.extras?.startBy, let offset = self.services.clockOffsets[delivery.epoch],
                let uses = self.stored[job.id].flatMap({ self.limits[$0] })?.services,
                self.services.seen.insert(LeaseToken(epoch: delivery.epoch, sequence: job.leaseSequence)).inserted
            else { continue }
            self.count(.grantSeen)
            Self.note(uses, at: startBy + (.zero - offset - DispatchCore.startDelayMax), in: &self.services.grants)
        }
    }

    /// The handler of a job begins.
    func starts(_ id: JobID, at now: Instant) {
        guard let uses = self.stored[id].flatMap({ self.limits[$0] })?.services, !uses.isEmpty else { return }
        self.count(.limitedStart)
        Self.note(uses, at: now, in: &self.services.starts)
    }

    private static func note(
        _ uses: [ServiceUse], at now: Instant, in taken: inout [String: [ServiceWitness.Taken]]
    ) {
        for use in uses {
            let entry = ServiceWitness.Taken(at: now, tokens: use.weight)
            taken[use.service, default: []].append(entry)
            if let key = use.key { taken["\(use.service)/\(key)", default: []].append(entry) }
        }
    }

    /// In no window more is let through than `burst + rate * t`, nor started than `burst + rate * (t + d)`.
    func checkServices() {
        for (what, taken, slack) in [
            ("let through", self.services.grants, Duration.zero),
            ("started", self.services.starts, DispatchCore.startDelayMax),
        ] {
            for name in taken.keys.sorted() {
                let parts = name.split(separator: "/")
                guard let limits = SimulatedCluster.services[String(parts[0])] else { continue }
                for rate in parts.count == 1 ? limits.rates : limits.perKey?.rates ?? [] {
                    if let excess = Self.excess(of: taken[name]!, over: rate, slack: slack) {
                        self.fail("service \(name): \(excess) were \(what)")
                    }
                }
            }
        }
    }

    /// The first window that holds too much. In exact numbers: tokens times nanoseconds of the period.
    private static func excess(of taken: [ServiceWitness.Taken], over rate: RateLimit, slack: Duration) -> String? {
        let period = rate.period.wholeNanoseconds
        let allowed = Int64(rate.burst) * period + Int64(rate.tokens) * slack.wholeNanoseconds
        var least = Int64.max
        var leastAt = Instant(nanoseconds: 0)
        var total: Int64 = 0
        for entry in taken.sorted(by: { $0.at < $1.at }) {
            let flowed = Int64(rate.tokens) * Int64(entry.at.nanoseconds)
            if total * period - flowed < least { (least, leastAt) = (total * period - flowed, entry.at) }
            total += Int64(entry.tokens)
            let inWindow = total * period - flowed - least
            guard inWindow > allowed else { continue }
            return "more than \(rate.burst) and \(rate.tokens) in \(rate.period), within \(entry.at - leastAt),"
        }
        return nil
    }
}
