package import MartletCore
package import MartletWire

extension WorkerCore {
    // MARK: Registration

    /// Begins a registration: what was asked under the one before is void, and all that is held is named.
    package mutating func beginRegistration(at now: Instant) -> Register {
        precondition(!self.isOver, "a worker that has left does not come back")
        self.generation += 1
        if let outstanding = self.outstanding {
            // No verdict came: these are results like the others again.
            self.results = outstanding.items.dropFirst(outstanding.checkpoints.count) + self.results
            self.checkpoints = outstanding.checkpoints + self.checkpoints
            self.resultsTextBytes = self.results.reduce(0) { $0 + $1.textBytes }
            self.outstanding = nil
        }
        let inventory = self.inventory
        self.phase = .registering(sentAt: now, inventory: inventory)
        return Register(
            name: self.profile.name, incarnation: self.profile.incarnation, slots: UInt32(self.profile.slots),
            prefetchMax: UInt32(self.profile.prefetchMax), queues: self.profile.queues, types: self.profile.types,
            holdsNameLock: self.profile.holdsNameLock, givesBack: true, lastDelivery: self.lastDelivery,
            number: self.generation,
            inventory: inventory)
    }

    /// Whether the job is held here, or its result is not answered yet.
    package func holds(_ id: JobID) -> Bool {
        (0..<self.queue.count).contains { self.queue[$0].id == id }
            || self.lines.contains { line in (0..<line.count).contains { line.jobs[$0].id == id } }
            || self.slots.contains { slot in slot.holdsJob && slot.held.contains { $0.isOurs && $0.id == id } }
            || self.results.contains { $0.id == id }
            || self.outstanding?.items.contains { $0.id == id } ?? false
    }

    private var inventory: [Register.Item] {
        var items: [Register.Item] = []
        for place in 0..<self.queue.count {
            items.append(.init(id: self.queue[place].id, token: self.queue[place].token, phase: .unstarted))
        }
        for line in self.lines {
            for place in 0..<line.count {
                items.append(.init(id: line.jobs[place].id, token: line.jobs[place].token, phase: .unstarted))
            }
        }
        for slot in self.slots {
            for job in slot.ours { items.append(.init(id: job.id, token: job.token, phase: .running)) }
        }
        for item in self.results { items.append(.init(id: item.id, token: item.token, phase: .finished)) }
        return items
    }

    /// The coordinator has said what becomes of the inventory. False if the answer does not fit the question.
    package mutating func register(_ reply: Registered, into actions: inout [Action]) -> Bool {
        guard case .registering(let sentAt, let inventory) = self.phase, reply.verdicts.count == inventory.count,
            reply.leaseDuration > reply.heartbeatInterval, reply.heartbeatInterval > .zero
        else { return false }
        self.phase = .registered
        self.key = reply.key
        self.heartbeatInterval = reply.heartbeatInterval
        self.leaseDuration = reply.leaseDuration
        self.features = reply.features
        // Another coordinator has another clock.
        self.clock = CoordinatorClock()
        if let time = reply.time { self.clock.heard(time, askedAt: sentAt, at: sentAt) }
        self.reportNumber = 0
        self.lastOrder = 0
        // Another coordinator numbers its wishes anew.
        self.lastAsk = 0
        self.answeredAsk = 0
        self.receivedTotal = 0
        self.counts.registrations += 1
        var verdicts: [LeaseToken: Registered.Verdict] = [:]
        for (item, verdict) in zip(inventory, reply.verdicts) { verdicts[item.token] = verdict }
        self.apply(into: &actions) { token in
            // Nothing came into this node's hands since it was asked for.
            if case .leased(let renewed) = verdicts[token] { renewed } else { nil }
        }
        self.renew(from: sentAt, into: &actions)
        return true
    }

    /// Gives every job held its new lease, or drops it where there is none.
    private mutating func apply(
        into actions: inout [Action], _ lease: (LeaseToken) -> LeaseToken?
    ) {
        var dropped = 0
        var kept = Deque<Job>()
        while var job = self.queue.popFirst() {
            if let token = lease(job.token) {
                job.token = token
                kept.append(job)
            } else {
                dropped += 1
            }
        }
        self.queue = kept
        for line in self.lines.indices {
            let gone = self.lines[line].renew(lease)
            self.linedCount -= gone
            dropped += gone
        }
        for slot in self.slots.indices where self.slots[slot].holdsJob {
            dropped += self.renew(slot, lease, into: &actions)
        }
        let before = self.results.count
        self.results = self.results.compactMap { item in
            lease(item.token).map { Report.Item(id: item.id, token: $0, result: item.result) }
        }
        self.resultsTextBytes = self.results.reduce(0) { $0 + $1.textBytes }
        dropped += before - self.results.count
        guard dropped > 0 else { return }
        self.counts.ended += UInt64(dropped)
        actions.append(.note(.ended(count: dropped)))
    }

    /// Gives the jobs of a slot their new leases.
    ///
    /// - Returns: how many have none. The handler is then told to stop: it cannot leave one job of a batch alone.
    private mutating func renew(
        _ slot: Int, _ lease: (LeaseToken) -> LeaseToken?, into actions: inout [Action]
    ) -> Int {
        var dropped = 0
        var kept = 0
        for place in self.slots[slot].held.indices where self.slots[slot].held[place].isOurs {
            if let token = lease(self.slots[slot].held[place].token) {
                self.slots[slot].held[place].token = token
                kept += 1
            } else {
                self.slots[slot].held[place].isOurs = false
                dropped += 1
            }
        }
        if kept == 0 {
            self.abandon(slot, into: &actions)
        } else if dropped > 0, self.slots[slot].state == .running {
            self.slots[slot].state = .cancelled
            actions.append(.cancelSlot(slot))
            self.watch(slot, into: &actions)
        }
        return dropped
    }

    /// The coordinator does not know this registration any more.
    package mutating func forgetRegistration(of generation: UInt64) {
        guard generation == self.generation, self.phase == .registered else { return }
        self.phase = .unregistered
        self.generation += 1
    }

    // MARK: Fetch

    /// The next request for jobs, or nil if none is to be sent now.
    package func nextFetch(at now: Instant) -> Fetch? {
        guard self.isRegistered, now < self.cancelAt else { return nil }
        return Fetch(key: self.key, lastDelivery: self.lastDelivery, creditTotal: self.creditTotal(at: now))
    }

    /// Jobs have come.
    ///
    /// - Parameter generation: of the registration under which they were asked for.
    package mutating func receive(
        _ jobs: [Job], number: UInt64, generation: UInt64, at now: Instant, into actions: inout [Action]
    ) {
        guard generation == self.generation, self.isRegistered, number > self.lastDelivery else { return }
        self.lastDelivery = number
        self.receivedTotal += UInt64(jobs.count)
        if let admission { self.admission = max(0, admission - jobs.count) }
        if self.isDraining {
            for job in jobs { self.record(Report.Item(returning: job), into: &actions) }
            return
        }
        if self.lines.isEmpty {
            self.queue.append(contentsOf: jobs)
        } else {
            for job in jobs { self.add(job, at: now) }
        }
        for job in jobs where job.extras != nil {
            if let startBy = job.extras?.startBy { self.watchStart(of: startBy, at: now, into: &actions) }
        }
        self.wakeSlots(at: now, into: &actions)
        self.planTick(at: self.cancelAt, into: &actions)
    }

    private mutating func add(_ job: Job, at now: Instant) {
        guard let batch = job.kind.batch else { return self.queue.append(job) }
        self.lines[batch.line].add(job, at: now)
        self.linedCount += 1
    }

    mutating func wakeSlots(at now: Instant, into actions: inout [Action]) {
        var wanted = self.queue.count
        if self.linedCount > 0 {
            for line in self.lines where line.count > 0 {
                wanted += line.isRipe(at: now) ? max(1, line.fullCount) : 0
                if let ripeAt = line.ripeAt, ripeAt > now { self.planTick(at: ripeAt, into: &actions) }
            }
        }
        while wanted > 0, let slot = self.idleSlots.popLast() {
            guard self.slots[slot].isWaiting, self.slots[slot].state == .idle else { continue }
            self.slots[slot].isWaiting = false
            actions.append(.wakeSlot(slot))
            wanted -= 1
        }
    }

    // MARK: Report

    /// The report to send: the one that has no answer yet, or a new one if there is something to say.
    ///
    /// - Parameter progress: gives what handlers say of themselves since it was asked last.
    package mutating func nextReport(
        at now: Instant, progress: () -> [Report.Progress] = { [] }, into actions: inout [Action]
    ) -> (frame: Bytes, number: UInt64)? {
        guard self.isRegistered else { return nil }
        // A process that was suspended may get here before its ticker has seen that the leases have ended.
        guard now < self.leasesEndAt || !self.holdsLeases else { return nil }
        if let outstanding = self.outstanding { return (outstanding.frame, outstanding.number) }
        let isLeaving = self.isDraining && self.queue.isEmpty && self.linedCount == 0 && self.runningCount == 0
        let checkpoints = self.takeCheckpoints(into: &actions)
        guard !self.results.isEmpty || !checkpoints.items.isEmpty || now >= self.heartbeatDue || isLeaving else {
            return nil
        }
        var items = self.takeResults(atMost: Report.itemsMax - checkpoints.items.count)
        if !checkpoints.items.isEmpty { items = checkpoints.items + items }
        let isLast = isLeaving && self.results.isEmpty
        // What is given back for it is in this report or was in one before.
        if self.results.isEmpty { self.answeredAsk = self.lastAsk }
        self.reportNumber += 1
        let report = Report(
            key: self.key, number: self.reportNumber, lastDelivery: self.lastDelivery,
            creditTotal: self.creditTotal(at: now), isDraining: self.isDraining, isLast: isLast,
            running: self.runningIDs, items: items,
            progress: self.features.contains(.completions) ? progress() : [],
            stuck: self.features.contains(.completions) ? UInt32(clamping: self.stuckCount) : 0,
            standing: self.standing)
        let frame = report.encoded()
        self.outstanding = OutstandingReport(
            number: report.number, items: items, checkpoints: checkpoints.pending, isLast: isLast, frame: frame,
            sentAt: now)
        return (frame, report.number)
    }

    private var standing: Report.Standing? {
        guard self.features.contains(.stealing) else { return nil }
        return Report.Standing(
            meanDuration: .nanoseconds(self.meanNanoseconds ?? 0), answeredAsk: self.answeredAsk)
    }

    private var runningIDs: [JobID] {
        guard !self.lines.isEmpty else { return self.slots.compactMap { $0.holdsJob ? $0.held[0].id : nil } }
        return Array(self.slots.lazy.flatMap { $0.ours.map(\.id) }.prefix(Int(Register.slotsMax)))
    }

    /// As many results as one report takes.
    private mutating func takeResults(atMost itemsMax: Int) -> [Report.Item] {
        if self.results.count <= itemsMax, self.resultsTextBytes <= Self.reportBytesMax {
            self.resultsTextBytes = 0
            // Room for about as many again.
            var taken: [Report.Item] = []
            taken.reserveCapacity(self.results.count)
            swap(&taken, &self.results)
            return taken
        }
        var count = 0
        var bytes = 0
        while count < min(self.results.count, itemsMax) {
            let more = self.results[count].textBytes
            if count > 0, bytes + more > Self.reportBytesMax { break }
            bytes += more
            count += 1
        }
        let taken = Array(self.results[..<count])
        self.results.removeFirst(count)
        self.resultsTextBytes -= bytes
        return taken
    }

    /// When the next report is due if nothing happens.
    package var reportDue: Instant { self.heartbeatDue }

    /// A report was answered.
    ///
    /// - Parameters:
    ///   - sentAt: when the request was sent that this answers.
    ///   - generation: of the registration under which it was sent.
    /// - Returns: false if the answer does not fit the question.
    package mutating func reported(
        _ reply: ReportReply, sentAt: Instant, generation: UInt64, into actions: inout [Action]
    ) -> Bool {
        guard generation == self.generation, self.isRegistered else { return true }
        guard let outstanding = self.outstanding, outstanding.number == reply.number,
            outstanding.items.count == reply.verdicts.count
        else { return false }
        self.outstanding = nil
        // The time is that of the first try, and an answer to a later one may repeat it.
        if let time = reply.time {
            self.clock.heard(time, askedAt: outstanding.sentAt, at: max(sentAt, outstanding.sentAt))
        }
        for (checkpoint, verdict) in zip(outstanding.checkpoints, reply.verdicts) {
            actions.append(.checkpointJudged(checkpoint.slot, use: checkpoint.use, isSaved: verdict == .accepted))
        }
        for (item, verdict) in zip(outstanding.items, reply.verdicts).dropFirst(outstanding.checkpoints.count) {
            switch verdict {
            case .accepted: self.counts.accepted += 1
            case .refused, .unknown:
                self.counts.refused += 1
                actions.append(.note(.refused(item.id)))
            }
        }
        if outstanding.isLast { self.end(into: &actions) } else { self.renew(from: sentAt, into: &actions) }
        return true
    }

    /// The leases were renewed by an answer to a request of this time.
    private mutating func renew(from sentAt: Instant, into actions: inout [Action]) {
        self.renewedAt = max(self.renewedAt, sentAt)
        self.heartbeatDue = sentAt + self.heartbeatInterval
        if !self.queue.isEmpty || self.linedCount > 0 { self.wakeSlots(at: self.renewedAt, into: &actions) }
        if !self.holdsNothing || self.isDraining { self.planTick(at: self.cancelAt, into: &actions) }
    }

    // MARK: Control

    package func nextControl() -> Control? {
        guard self.isRegistered else { return nil }
        return Control(key: self.key, lastOrder: self.lastOrder)
    }

    /// The coordinator wants something.
    package mutating func obey(
        _ order: Order, generation: UInt64, at now: Instant, into actions: inout [Action]
    ) {
        guard generation == self.generation, self.isRegistered, order.number > self.lastOrder else { return }
        self.lastOrder = order.number
        if !order.ended.isEmpty {
            let ended = Set(order.ended)
            self.apply(into: &actions) { ended.contains($0) ? nil : $0 }
        }
        if let ask = order.ask { self.answer(ask, at: now, into: &actions) }
        if order.drain { self.drain(at: now, into: &actions) }
    }
}

extension Report.Item {
    init(returning job: WorkerCore.Job) {
        self.init(id: job.id, token: job.token, result: .returned)
    }

    /// About what it takes in a frame beyond a plain success.
    var textBytes: Int {
        switch self.result {
        case .succeeded, .returned: 0
        case .completed(let completion): completion.bytesCount
        case .failed(let failure, _, let output): failure.kind.utf8.count + failure.message.utf8.count + output.count
        case .checkpoint(let value): value.count
        case .unavailable(let service, _): 16 + (service?.utf8.count ?? 0)
        }
    }
}
