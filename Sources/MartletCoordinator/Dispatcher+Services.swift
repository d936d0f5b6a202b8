package import MartletCore
import MartletRuntime
package import MartletStore
import MartletWire

extension Dispatcher {
    /// What a service allows from now on; nil takes it out, and the jobs that use it wait.
    package func setService(_ name: String, limits: ServiceLimits?, isPaused: Bool) async {
        self.core.setLimits(limits, of: name, at: self.loop.now)
        if isPaused {
            self.core.pause(service: name, at: self.loop.now)
        } else {
            self.core.resume(service: name, at: self.loop.now)
        }
        self.acquiresAt = self.loop.now
        await self.turn()
    }

    /// A service told the handler of a job that it is unavailable: nobody uses it for a while.
    ///
    /// - Returns: what is to be stored of it; nil if the service has no limits any more.
    package func serviceUnavailable(_ name: String, retryAfter: Duration?, for id: JobID) -> ServiceClosing? {
        let now = self.loop.now
        guard let until = self.core.serviceUnavailable(name, retryAfter: retryAfter, for: id, at: now) else {
            return nil
        }
        self.turnAgain = true
        // What is stored is in whole microseconds: rather one more than one less.
        return ServiceClosing(
            name: name, at: self.loop.wallTime, lastsFor: .microseconds((until - now).wholeMicroseconds + 2))
    }

    /// Has a service left alone for so long, as it asked before this epoch.
    package func close(service name: String, for duration: Duration) {
        self.core.close(service: name, until: self.loop.now + duration, at: self.loop.now)
    }

    // MARK: Tokens for calls

    /// Tokens for calls that the jobs of a node make while they run, those that can be had now; they are spent. If there
    /// are none, the node is asked again when there may be.
    func takeChunks(_ wants: RecordList<Acquire.Want>, for key: NodeKey) -> [Acquired.Chunk] {
        let now = self.loop.now
        var chunks: [Acquired.Chunk] = []
        var wakesAt: Instant?
        for (place, want) in wants.enumerated() {
            let least = max(1, Int(want.least))
            switch self.core.takeChunk(
                of: want.service, key: want.key, least: least, most: max(least, Int(want.most)), at: now)
            {
            case .tokens(let count): chunks.append(Acquired.Chunk(place: UInt32(place), tokens: UInt32(count)))
            case .refused(let problem):
                chunks.append(Acquired.Chunk(place: UInt32(place), tokens: 0, problem: problem))
            case .wait(let until):
                // What no time is known for, a pause or a probe, is looked at now and then.
                let again = until ?? now + Self.acquirePause
                wakesAt = min(wakesAt ?? again, again)
            }
        }
        guard chunks.isEmpty, let wakesAt else { return chunks }
        if !self.acquiring.contains(key) { self.acquiring.append(key) }
        self.acquiresAt = min(self.acquiresAt, wakesAt)
        if self.acquiresAt < self.wakesAt { self.timerWanted.notify() }
        return []
    }

    /// Nodes that wait for tokens ask again: before jobs that wait to start, as those that run have a slot each.
    func serveAcquisitions() async {
        guard !self.acquiring.isEmpty, self.loop.now >= self.acquiresAt else { return }
        let keys = self.acquiring
        self.acquiring = []
        self.acquiresAt = .distantFuture
        for key in keys { await self.nodes[key]?.serveAcquisition() }
    }

    /// When something is to be done although nothing happens.
    var nextWake: Instant? {
        guard !self.acquiring.isEmpty else { return self.core.nextWake }
        return min(self.core.nextWake ?? .distantFuture, self.acquiresAt)
    }

    // MARK: Seeing inside

    /// Services with limits, by name.
    package func serviceStates() -> [DispatchCore.ServiceState] { self.core.serviceStates }

    package func isSuspect(_ id: JobID) -> Bool { self.core.isSuspect(id) }

    /// Why a ready job is not with a node; nil if it is on its way.
    package func waiting(_ id: JobID, lane: LaneID, share: LaneShare?) -> DispatchCore.Waiting? {
        self.core.waiting(id, lane: lane, share: share, at: self.loop.now)
    }

    /// What all ready jobs wait for. Lets others go first now and then: there may be a great many sub-lanes.
    package func backlog() async -> [DispatchCore.BacklogCount] {
        var counts: [DispatchCore.BacklogCount] = []
        var start = 0
        while let next = self.core.backlog(from: start, at: self.loop.now, into: &counts) {
            start = next
            await Task.yield()
        }
        return counts
    }

    package var waits: [(queue: String, times: Histogram)] { self.core.waits }

    package func backlog(of queue: String) -> [DispatchCore.BacklogPart] {
        self.core.backlog(of: queue, at: self.loop.now)
    }
}
