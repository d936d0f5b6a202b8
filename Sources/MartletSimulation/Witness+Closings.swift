import MartletCore
import MartletWire

/// What nodes hear of services, and what coordinators make of it.
extension Witness {
    /// A coordinator has taken over. The wall clock was ahead by `before` when it began to.
    func tookOver(_ epoch: Epoch, clockOffset: Duration, wallOffset: Int64, before: Int64) {
        self.services.lastEpoch = epoch
        self.services.clockOffsets[epoch] = clockOffset
        if wallOffset == before { self.services.wallOffsets[epoch] = wallOffset }
    }

    /// A node is about to tell of handlers that services turned away.
    func reports(_ report: Report) {
        for item in report.items {
            guard case .unavailable = item.result, self.services.turnedAwayAt[item.token] == nil else { continue }
            self.services.turnedAwayAt[item.token] = self.clock()
        }
    }

    /// A node heard that the coordinator knows that a service is to be left alone.
    ///
    /// - Parameter wallOffsets: of the wall clock, before the node told it and now.
    func closingAccepted(_ item: Report.Item, wallOffsets: (Int64, Int64)) {
        guard case .unavailable(let service, let retryAfter) = item.result,
            let told = self.services.turnedAwayAt[item.token]
        else { return }
        let uses = self.stored[item.id].flatMap { self.limits[$0] }?.services.map(\.service) ?? []
        let wait = retryAfter ?? AdaptiveLimits.standard.closedFor
        self.count(.serviceClosed)
        for name in service.map({ [$0] }) ?? uses {
            self.services.closings.append(
                ServiceWitness.Closing(
                    service: name, from: self.clock(), until: told + wait, epoch: item.token.epoch,
                    wallOffset: wallOffsets.0 == wallOffsets.1 ? wallOffsets.0 : nil))
        }
    }

    /// A node has been given tokens for calls inside of jobs.
    func received(_ reply: Acquired, to request: Acquire, sentAt: Instant, in epoch: Epoch) {
        for (place, want) in request.wants.enumerated() {
            guard reply.chunks.contains(where: { Int($0.place) == place && $0.tokens > 0 }) else { continue }
            self.services.chunks[want.service, default: []].append((sentAt + reply.heldFor, self.clock(), epoch))
        }
    }

    /// Somebody looked what is in force.
    func sees(_ limits: ServiceLimits, of name: String, at now: Instant) {
        self.services.allowed[name, default: AllowedRates()].see(limits.rates, at: now)
        self.services.allowed["\(name)/", default: AllowedRates()].see(limits.perKey?.rates ?? [], at: now)
    }

    /// Other limits are stored, and in force soon; nil for the usual ones.
    func stored(_ limits: ServiceLimits?, of name: String) {
        let limits = limits ?? SimulatedCluster.services[name]!
        self.services.allowed[name, default: AllowedRates()].store(limits.rates, at: self.clock())
        self.services.allowed["\(name)/", default: AllowedRates()].store(limits.perKey?.rates ?? [], at: self.clock())
    }

    func servicePaused(_ name: String) {
        self.count(.servicePaused)
        self.services.pauses.append((name, self.clock(), .distantFuture))
    }

    /// Somebody is about to resume it.
    func serviceResumes(_ name: String) {
        for place in self.services.pauses.indices where self.services.pauses[place].service == name {
            self.services.pauses[place].until = min(self.services.pauses[place].until, self.clock())
        }
    }
}
