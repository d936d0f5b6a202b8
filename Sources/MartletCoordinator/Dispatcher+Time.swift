import MartletCore
import MartletObservability
import MartletRuntime
import MartletStore

extension Dispatcher {
    func followClock() async throws {
        var aged = self.loop.now
        while true {
            self.readAhead()
            self.releaseDue()
            self.releaseDoubtful()
            if self.loop.now - aged > .seconds(5) {
                aged = self.loop.now
                self.core.age(at: aged)
            }
            await self.turn()
            let untilDue = self.scheduled.nextDue.map { $0 - self.loop.wallTime }
            let pause = min(.seconds(1), max(untilDue ?? .seconds(1), .milliseconds(1)))
            // Tokens that come while the burst is full are lost, so that this is not rounded.
            self.wakesAt = min(self.loop.now + pause, self.nextWake ?? .distantFuture)
            let wanted = self.timerWanted
            let timer = self.loop.schedule(at: self.wakesAt) { wanted.notify() }
            defer { self.loop.cancel(timer) }
            await wanted.wait()
            try Task.checkCancellation()
        }
    }

    func readAhead() {
        var actions: [ScheduledLine.Action] = []
        self.scheduled.advance(to: self.loop.wallTime, into: &actions)
        for case .load(let after, let dueBy) in actions {
            self.pages.append((after, dueBy))
            self.loadWanted.notify()
        }
    }

    func loadScheduled(_ after: ScheduledJob?, dueBy: WallTime) async throws {
        do {
            let jobs = try await self.store.scheduledJobs(after: after, dueBy: dueBy, limit: ScheduledLine.pageMax)
            // Among them may be jobs of which nobody has told here yet: taken from the page and then told of, they
            // would run twice at once.
            await self.caughtUp()
            self.scheduled.loaded(jobs, but: self.elsewhere)
        } catch {
            self.log(.error, "scheduled jobs could not be read", [.cause: error.message])
            self.scheduled.loadFailed()
            try await self.loop.sleep(for: .milliseconds(100))
        }
        self.timerWanted.notify()
    }

    func releaseDoubtful() {
        guard !self.doubtful.isEmpty, self.loop.now >= self.doubtUntil else { return }
        self.enqueue(self.doubtful)
        self.doubtful = []
    }

    func releaseDue() {
        let due = self.scheduled.takeDue(at: self.loop.wallTime, max: Self.dueMax)
        for job in due { self.core.enqueue(job.id, lane: job.lane, share: job.share, at: self.loop.now) }
    }
}
