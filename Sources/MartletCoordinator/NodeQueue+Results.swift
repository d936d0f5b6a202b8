import MartletCore
import MartletObservability
import MartletRuntime
import MartletStore
import MartletTransport
import MartletWire

extension NodeQueue {
    func settle(_ report: Report) -> Settled {
        var settlement = NodeQueueCore.Settlement()
        settlement.verdicts.reserveCapacity(report.items.count)
        var checkpoints: [Checkpoint] = []
        var unavailable: [Settled.Unavailable] = []
        let loop = self.context.loop
        var tally = RunTally(at: loop.now)
        for item in report.items {
            let result: NodeQueueCore.Result
            switch item.result {
            case .succeeded: result = .succeeded
            case .completed(let completion):
                let problem = FollowUps.problem(
                    with: completion, lanes: self.context.lanes, payloadMax: self.context.payloadMax)
                result =
                    problem.map { .failed(JobFailure(kind: "completion", message: $0), isRetryable: true) }
                    ?? .completed(completion)
            case .failed(let failure, let isRetryable, let output):
                result = .failed(failure, isRetryable: isRetryable, output: output)
            case .returned: result = .returned
            case .unavailable(let service, let retryAfter):
                let (verdict, known) = self.judge(item, service, retryAfter)
                result = verdict
                unavailable += known.map { Settled.Unavailable(service: $0, retryAfter: retryAfter, job: item.id) }
            case .checkpoint(let value):
                let job = self.core.checkpoint(item.id, under: item.token)
                settlement.verdicts.append(job == nil ? .refused : .accepted)
                if let job {
                    checkpoints.append(
                        Checkpoint(id: job.id, lane: job.lane, revision: job.body.revision, value: value))
                }
                continue
            }
            if tally.needsGrant(of: item.token.sequence) { tally.begin(self.core.grant(of: item.token)) }
            let lane = self.core.settle(
                item.id, under: item.token, result: result, random: loop.randomUnit, into: &settlement)
            if let lane, !result.isReturned { tally.add(lane) }
        }
        tally.finish()
        let refused = settlement.verdicts.count { $0 != .accepted }
        self.context.metrics.reported(tally.runs, returned: settlement.returned.count, refused: refused)
        if refused > 0 {
            self.context.log(
                .warning, "results refused: their leases had ended", [.node: self.registration.name, .count: refused])
        }
        return Settled(settlement: settlement, checkpoints: checkpoints, unavailable: unavailable)
    }

    /// What becomes of a job that a service turned away, and which services that closes.
    ///
    /// One that uses the service waits for it where it was. One that called it without saying so would run again at once,
    /// so it is due later. Neither loses an attempt; if no such service is known, the attempt has failed.
    private func judge(
        _ item: Report.Item, _ service: String?, _ retryAfter: Duration?
    ) -> (NodeQueueCore.Result, services: [String]) {
        // Whoever has no lease any more closes nothing.
        guard let job = self.core.leased(item.id, under: item.token) else { return (.returned, []) }
        let traits = job.body.traits
        let used = self.context.lanes.limits.services(of: traits.share, type: traits.key.type).map(\.service)
        let known = self.context.lanes.services
        let named = (service.map { [$0] } ?? used).filter { known[$0] != nil }
        guard !named.isEmpty else {
            return (.failed(JobFailure(kind: "ServiceUnavailable", message: service ?? ""), isRetryable: true), [])
        }
        if named.contains(where: { used.contains($0) }) { return (.returned, named) }
        let range = ServiceGate.retryAfterMin...ServiceGate.retryAfterMax
        let wait = min(max(retryAfter ?? .seconds(1), range.lowerBound), range.upperBound)
        return (.postponed(JobFailure(kind: "ServiceUnavailable", message: named[0]), after: wait), named)
    }

    /// - Parameter closings: of services that turned jobs away: durable before anybody is told.
    func commit(_ settled: Settled, closings: [ServiceClosing], of report: Report) async {
        let settlement = settled.settlement
        var changes: [Change] = []
        if !settled.checkpoints.isEmpty { changes.append(.checkpoint(settled.checkpoints)) }
        changes += closings.map(Change.closeService)
        if !settlement.succeeded.isEmpty {
            changes.append(
                .succeed(
                    settlement.succeeded.map {
                        SucceededJob(
                            id: $0.id, lane: $0.lane, keptFor: $0.body.traits.keptFor, revision: $0.body.revision)
                    }))
        }
        if !settlement.completed.isEmpty { changes.append(.succeed(settlement.completed.map(self.completed))) }
        let dueTimes = self.dueTimes(of: settlement.failed)
        if !settlement.failed.isEmpty { changes.append(.update(self.updates(settlement.failed, due: dueTimes))) }
        guard !changes.isEmpty else { return self.answer(report.number, settlement.verdicts, missing: [], in: report) }
        let load = settled.load
        await self.context.commitLog.append(
            changes, kind: .essential, jobs: report.items.count + load.jobs, bytes: load.bytes
        ) { result in
            guard case .success(let outcomes) = result else { return }
            let missing = Self.missing(outcomes)
            await self.tellEnded(settlement.succeeded)
            await self.tellEnded(settlement.completed.map(\.job))
            await self.carryOn(settlement.failed, due: dueTimes, missing: missing)
            await self.answer(report.number, settlement.verdicts, missing: missing, in: report)
            if report.isLast { await self.leave() }
        }
    }

    func completed(_ job: QueuedJob, _ completion: Completion) -> SucceededJob {
        let now = self.context.loop.wallTime
        let followUps = FollowUps.jobs(of: completion, lanes: self.context.lanes, at: now)
        return SucceededJob(
            id: job.id, lane: job.lane, keptFor: job.body.traits.keptFor, revision: job.body.revision,
            details: SucceededJob.Details(result: completion.result, followUps: followUps))
    }

    func answer(
        _ number: UInt64, _ verdicts: [NodeQueueCore.Verdict], missing: Set<JobID>, in report: Report
    ) {
        var told = verdicts.map { verdict -> ReportReply.Verdict in
            switch verdict {
            case .accepted: .accepted
            case .refused: .refused
            case .unknown: .unknown
            }
        }
        if !missing.isEmpty {
            for (place, item) in report.items.enumerated() where told[place] == .accepted && missing.contains(item.id) {
                told[place] = .refused
            }
        }
        let reply = ReportReply(number: number, verdicts: told, time: self.lastReport.heardAt).encoded()
        guard self.lastReport.number == number else { return }
        self.lastReport.reply = reply
        self.reportRequest?.reply(reply)
        self.reportRequest = nil
    }

    /// When each failed job is due again; nil for those that are not scheduled.
    func dueTimes(of failed: [FailedAttempt]) -> [WallTime?] {
        let now = self.context.loop.wallTime
        return failed.map { attempt in
            if case .retry(let wait) = attempt.next { now + wait } else { nil }
        }
    }

    func updates(_ failed: [FailedAttempt], due: [WallTime?]) -> [JobUpdate] {
        let now = self.context.loop.wallTime
        return zip(failed, due).map { attempt, due in
            let state: JobState =
                switch attempt.next {
                case .retry: .scheduled
                case .again: .ready
                case .dead: .dead
                }
            let number = UInt32(attempt.history.failures) + UInt32(attempt.history.nodeDeaths)
            let record = AttemptRecord(
                number: number, endedAt: now, node: self.registration.name, failure: attempt.failure,
                output: attempt.output)
            return JobUpdate(
                id: attempt.job.id, lane: attempt.job.lane, revision: attempt.job.body.revision, state: state, due: due,
                history: attempt.history, failure: attempt.failure,
                attempt: attempt.history == attempt.job.body.history ? nil : record,
                keptFor: attempt.job.body.traits.retention.dead)
        }
    }

    /// What a commit did not find: it had ended, or was cancelled, meanwhile.
    static func missing(_ outcomes: [ChangeOutcome]) -> Set<JobID> {
        var missing: Set<JobID> = []
        for case .applied(let ids) in outcomes { missing.formUnion(ids) }
        return missing
    }

    /// What follows once the end of these attempts is durable.
    func carryOn(_ failed: [FailedAttempt], due: [WallTime?], missing: Set<JobID>) async {
        self.context.metrics.failed(failed, missing: missing)
        for (attempt, due) in zip(failed, due) {
            guard !missing.contains(attempt.job.id) else {
                await self.tellEnded([attempt.job])
                continue
            }
            switch attempt.next {
            case .retry:
                await self.context.dispatcher.schedule(
                    ScheduledJob(
                        due: due!, id: attempt.job.id, lane: attempt.job.lane, share: attempt.job.share))
            case .again:
                var job = attempt.job
                job.body.history = attempt.history
                await self.context.dispatcher.giveBack([job])
            case .dead:
                await self.tellEnded([attempt.job])
                self.context.log(
                    .warning, "job is dead",
                    [.job: attempt.job.id, .type: attempt.job.body.traits.key.type, .cause: attempt.failure.kind])
            }
        }
    }
}
