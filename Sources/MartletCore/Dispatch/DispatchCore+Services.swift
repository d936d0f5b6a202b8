/// External services: what uses one waits in the heap of its pool. A service that cannot let the first of them through is
/// closed, so that nobody looks there until its time has come or a place is free: what waits costs nothing. What only
/// concerns jobs with one key leaves the heaps for the key's wait list or a timer.
extension DispatchCore {
    /// How long after its grant a handler may start.
    package static let startDelayMax: Duration = .milliseconds(100)

    // MARK: Limits

    mutating func service(_ name: String) -> Int {
        if let known = self.servicePlaces[name] { return known }
        self.services.append(Service(name: name))
        self.servicePlaces[name] = self.services.count - 1
        return self.services.count - 1
    }

    /// Has these limits in force from now on; nil takes the service out, and the jobs that use it wait.
    package mutating func setLimits(_ limits: ServiceLimits?, of name: String, at now: Instant) {
        let service = self.service(name)
        if let limits {
            if self.services[service].gate != nil {
                self.services[service].gate!.change(limits, at: now)
            } else {
                self.services[service].gate = ServiceGate(name: name, limits: limits, at: now)
                for id in self.active.keys.sorted() {
                    for use in self.active[id]!.uses where use.service == service {
                        self.services[service].gate!.hold(key: use.key)
                    }
                }
            }
        } else {
            self.services[service].gate = nil
        }
        self.lookAgain(at: service, now)
    }

    /// Lets nothing through until ``resume(service:at:)``; what runs goes on.
    package mutating func pause(service name: String, at now: Instant) {
        guard let service = self.servicePlaces[name] else { return }
        self.services[service].gate?.pause()
        self.lookAgain(at: service, now)
    }

    package mutating func resume(service name: String, at now: Instant) {
        guard let service = self.servicePlaces[name] else { return }
        self.services[service].gate?.resume()
        self.lookAgain(at: service, now)
    }

    /// The handler of a job, or what called the service for it, was told that it is unavailable.
    ///
    /// - Returns: until when the service is left alone; nil if it has no limits.
    @discardableResult
    package mutating func serviceUnavailable(
        _ name: String, retryAfter: Duration?, for id: JobID, at now: Instant
    ) -> Instant? {
        guard let service = self.servicePlaces[name], self.services[service].gate != nil else { return nil }
        let active = self.active[id].flatMap { $0.uses.contains { $0.service == service } ? $0 : nil }
        self.services[service].gate!.unavailable(retryAfter: retryAfter, takenAt: active?.takenAt, at: now)
        self.lookAgain(at: service, now)
        return self.services[service].gate!.closedUntil
    }

    /// Has a service left alone until then, as it asked before this epoch.
    package mutating func close(service name: String, until: Instant, at now: Instant) {
        guard let service = self.servicePlaces[name] else { return }
        self.services[service].gate?.close(until: until)
        self.lookAgain(at: service, now)
    }

    /// A job that uses services succeeded: they are well.
    package mutating func servicesSucceeded(for id: JobID, at now: Instant) {
        guard !self.services.isEmpty, let active = self.active[id] else { return }
        for use in active.uses {
            let wasBroken = self.services[use.service].gate?.isBroken ?? false
            self.services[use.service].gate?.succeeded(takenAt: active.takenAt)
            if wasBroken { self.open(use.service) }
        }
    }

    /// What a node gets for calls that its jobs make while they run.
    package enum Chunk: Hashable, Sendable {
        /// Spent from now on.
        case tokens(Int)
        /// Not before then; nil if something has to happen first.
        case wait(until: Instant?)
        /// Never.
        case refused(String)
    }

    package mutating func takeChunk(of name: String, key: String?, least: Int, most: Int, at now: Instant) -> Chunk {
        guard let service = self.servicePlaces[name], self.services[service].gate != nil else {
            return .refused("there is no service \"\(name)\"")
        }
        if let blocker = self.services[service].gate!.chunkBlocker(least: least, key: key, at: now) {
            guard blocker.kind != .weight else {
                return .refused("\(least) tokens are more than a burst of service \(name)")
            }
            self.services[service].gate!.countWait()
            return .wait(until: blocker.until)
        }
        return .tokens(self.services[service].gate!.takeChunk(least: least, most: most, key: key, at: now))
    }

    // MARK: Passing

    /// What holds a job that takes these up, and where; nil if it may start now.
    func blocker(of uses: [ServiceDemand.Use], at now: Instant) -> (service: Int, blocker: ServiceBlocker?)? {
        for use in uses {
            // Not bound to a name: that would copy it.
            guard self.services[use.service].gate != nil else { return (use.service, nil) }
            if let blocker = self.services[use.service].gate!.blocker(weight: use.weight, key: use.key, at: now) {
                return (use.service, blocker)
            }
        }
        return nil
    }

    /// Takes these up for as many jobs as they let through, one at least, which was found to be.
    ///
    /// - Returns: how many.
    mutating func take(_ uses: [ServiceDemand.Use], atMost most: Int, at now: Instant) -> Int {
        self.take(uses, at: now)
        var count = 1
        while count < most, self.blocker(of: uses, at: now) == nil {
            self.take(uses, at: now)
            count += 1
        }
        return count
    }

    mutating func take(_ uses: [ServiceDemand.Use], at now: Instant) {
        for use in uses { self.services[use.service].gate!.take(weight: use.weight, key: use.key, at: now) }
    }

    /// Counts jobs that nodes have from an earlier epoch.
    mutating func hold(_ uses: [ServiceDemand.Use]) {
        for use in uses { self.services[use.service].gate?.hold(key: use.key) }
    }

    /// A job that used these is with no node any more.
    mutating func release(_ uses: [ServiceDemand.Use], takenAt: Instant, at now: Instant) {
        for use in uses {
            self.services[use.service].gate?.release(key: use.key, takenAt: takenAt, at: now)
            switch self.services[use.service].closing?.blocker?.kind {
            case .concurrency, .breaker: self.open(use.service)
            default: break
            }
            guard let key = use.key else { continue }
            if let waiting = self.services[use.service].keyWaits.removeValue(forKey: key) {
                for track in waiting { self.unpark(serviceTrack: track, at: now) }
            }
            for track in self.services[use.service].otherWaits { self.unpark(serviceTrack: track, at: now) }
        }
    }

    // MARK: Waiting

    /// Whether a service has something against the jobs of this track; if so, they wait for it.
    mutating func isHeldUp(_ track: Int, by demand: ServiceDemand, at now: Instant) -> Bool {
        for use in demand.uses {
            guard self.services[use.service].gate != nil else {
                self.close(use.service, nil, at: now)
                return true
            }
            guard let blocker = self.services[use.service].gate!.blocker(weight: use.weight, key: use.key, at: now)
            else { continue }
            self.services[use.service].gate!.countWait()
            // What holds every job of that weight up: the key is not to blame.
            let general =
                use.key == nil
                ? blocker : self.services[use.service].gate!.blocker(weight: use.weight, key: nil, at: now)
            if let general, general.kind != .weight {
                self.close(use.service, general, at: now)
            } else {
                self.park(track, on: use, blocker, at: now)
            }
            return true
        }
        return false
    }

    private mutating func park(
        _ track: Int, on use: ServiceDemand.Use, _ blocker: ServiceBlocker, at now: Instant
    ) {
        self.tracks[track].parking = .service(use.service)
        if let until = blocker.until {
            self.trackTimers.update(track, rank: until)
        } else if blocker.kind == .keyConcurrency, let key = use.key {
            self.services[use.service].keyWaits[key, default: []].append(track)
        } else {
            self.services[use.service].otherWaits.append(track)
        }
        self.refresh(track: track, at: now)
    }

    private mutating func unpark(serviceTrack track: Int, at now: Instant) {
        self.endParking(of: track)
        self.refresh(track: track, at: now)
    }

    /// Takes a track off the wait lists of the service that holds it up.
    mutating func endParking(of track: Int) {
        guard case .service(let service) = self.tracks[track].parking else { return }
        self.tracks[track].parking = nil
        self.trackTimers.remove(track)
        self.services[service].otherWaits.removeAll { $0 == track }
        for use in self.tracks[track].demand!.uses where use.service == service {
            guard let key = use.key, let waiting = self.services[service].keyWaits[key] else { continue }
            let left = waiting.filter { $0 != track }
            self.services[service].keyWaits[key] = left.isEmpty ? nil : left
        }
    }

    private mutating func close(_ service: Int, _ blocker: ServiceBlocker?, at now: Instant) {
        let since = self.services[service].closing?.since ?? now
        let wasOpen = self.services[service].closing == nil
        self.services[service].closing = Service.Closing(blocker: blocker, since: since)
        if let until = blocker?.until {
            self.serviceTimers.update(service, rank: until)
        } else {
            self.serviceTimers.remove(service)
        }
        guard wasOpen else { return }
        for pool in self.services[service].pools {
            self.pools[pool].closedCount += 1
            guard self.pools[pool].closedCount == 1 else { continue }
            for place in self.classes.indices { self.classes[place].openPools.remove(pool) }
        }
    }

    private mutating func open(_ service: Int) {
        guard self.services[service].closing != nil else { return }
        self.services[service].closing = nil
        self.serviceTimers.remove(service)
        for pool in self.services[service].pools {
            self.pools[pool].closedCount -= 1
            guard self.pools[pool].isOpen else { continue }
            for place in self.classes.indices { self.classes[place].refreshPool(pool) }
        }
    }

    /// Something was changed: whoever waits for the service may have another reason now.
    private mutating func lookAgain(at service: Int, _ now: Instant) {
        self.open(service)
        for track in self.tracks.indices where self.tracks[track].parking == .service(service) {
            self.unpark(serviceTrack: track, at: now)
        }
    }

    /// Opens what was closed until now.
    mutating func wakeServices(at now: Instant) {
        while let first = self.serviceTimers.first, first.rank <= now { self.open(first.id) }
        while let first = self.trackTimers.first, first.rank <= now { self.unpark(serviceTrack: first.id, at: now) }
    }

    /// When ``assign(at:into:)`` is to be called although nothing happens; nil if there is no such time.
    package var nextWake: Instant? {
        [self.serviceTimers.first?.rank, self.trackTimers.first?.rank, self.suspectsWakeAt, self.steals.looksAgainAt]
            .compactMap { $0 }.min()
    }

    // MARK: Seeing inside

    /// One service as people see it.
    package struct ServiceState: Sendable {
        package let gate: ServiceGate
        /// What held the last job up that had its turn, and since when it has been closed to all; nil while it is open.
        package let closing: (blocker: ServiceBlocker?, since: Instant)?
        /// Ready jobs that use it.
        package let waiting: Int
    }

    /// Services with limits, by name.
    package var serviceStates: [ServiceState] {
        var waiting = [Int](repeating: 0, count: self.services.count)
        for line in self.lines where !line.line.isEmpty {
            for use in self.tracks[line.track].demand?.uses ?? [] { waiting[use.service] += line.line.count }
        }
        return self.services.indices.sorted { self.services[$0].name < self.services[$1].name }.compactMap { index in
            guard let gate = self.services[index].gate else { return nil }
            return ServiceState(
                gate: gate, closing: self.services[index].closing.map { ($0.blocker, $0.since) },
                waiting: waiting[index])
        }
    }
}
