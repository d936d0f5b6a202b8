package import MartletCore
import MartletRuntime

extension Dispatcher {
    /// What a service allows from now on; nil takes it out, and the jobs that use it wait.
    package func setService(_ name: String, limits: ServiceLimits?, isPaused: Bool) async {
        self.core.setLimits(limits, of: name, at: self.loop.now)
        if isPaused {
            self.core.pause(service: name, at: self.loop.now)
        } else {
            self.core.resume(service: name, at: self.loop.now)
        }
        await self.turn()
    }

    /// A service told a handler that it is unavailable: nobody uses it for a while.
    package func serviceUnavailable(_ name: String, retryAfter: Duration?) {
        self.core.serviceUnavailable(name, retryAfter: retryAfter, at: self.loop.now)
        self.turnAgain = true
    }

    /// These jobs are about to be settled, and have succeeded.
    package func servicesSucceeded(for ids: [JobID]) {
        for id in ids { self.core.servicesSucceeded(for: id, at: self.loop.now) }
    }

    /// Tokens for calls that the jobs of a node make while they run, good for a start within
    /// ``DispatchCore/startDelayMax``.
    ///
    /// - Returns: how many, and until when on this clock.
    package func takeChunk(of name: String, key: String?, least: Int, most: Int) -> (count: Int, useBy: Instant) {
        let now = self.loop.now
        let count = self.core.takeChunk(of: name, key: key, least: least, most: most, at: now)
        return (count, now + DispatchCore.startDelayMax)
    }

    // MARK: Seeing inside

    /// Services with limits, by name.
    package func serviceStates() -> [DispatchCore.ServiceState] { self.core.serviceStates }

    package func isSuspect(_ id: JobID) -> Bool { self.core.isSuspect(id) }

    /// Why a ready job is not with a node; nil if it is on its way.
    package func waiting(_ id: JobID, lane: LaneID, share: LaneShare?) -> DispatchCore.Waiting? {
        self.core.waiting(id, lane: lane, share: share, at: self.loop.now)
    }

    package func backlog(of queue: String) -> [DispatchCore.BacklogPart] {
        self.core.backlog(of: queue, at: self.loop.now)
    }
}
