#!/usr/bin/env python3
"""Plants bugs, one at a time, in a copy of the sources; the simulation must find each within 2,000 seeds.

mutants.py [NAME ...] plants only the named ones. Exits 0 if every mutant was found. mutants.py --check only looks
whether each still has its place in the sources.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SEEDS = 2000
CORE = "Sources/MartletCore/"
COORDINATOR = "Sources/MartletCoordinator/"
STORE = "Sources/MartletStore/"
SDK = "Sources/Martlet/"

# name, file, what stands there, what the bug makes of it
MUTANTS = [
    ("a schedule's jobs are stored without its last instant", STORE + "Tables/JobTables+Schedules.swift",
     "            row.handledThrough = through\n            row.missedTotal",
     "            _ = through\n            row.missedTotal"),
    ("runs of a schedule overlap whatever its policy", STORE + "Tables/JobTables+Schedules.swift",
     "fire.overlap.answer(unfinished: unfinished)", "fire.overlap.answer(unfinished: unfinished * 0)"),
    ("a schedule goes further without its missed instants", COORDINATOR + "Scheduling/ScheduleTable.swift",
     "        let through = instants.count < plan.fires.count ? instants.last! : plan.handledThrough",
     "        let through = plan.handledThrough + .seconds(1)"),
    ("results answered before their commit", COORDINATOR + "NodeQueue+Results.swift",
     "        let load = settled.load\n",
     "        let load = settled.load\n        self.answer(report.number, settlement.verdicts, missing: [], in: report)\n"),
    ("a late copy of a registration taken up", COORDINATOR + "NodeRegistry.swift",
     "                guard message.number > live.registration.number else {", "                guard message.number > 0 else {"),
    ("a submit that the store refused is answered as stored", COORDINATOR + "ClientService+Submit.swift",
     "        case .failure(let error): answer = .failure(Self.refusal(error))",
     "        case .failure:\n            answer = .success(\n                Submitted(first: JobID(rawValue: 1), count: UInt32(prepared.count), isRepeat: false))"),
    ("essential changes forgotten after a rollback", COORDINATOR + "CommitLog.swift",
     "        self.committing.removeAll { $0.kind == .intake }", "        self.committing.removeAll()"),
    ("a lost delivery is taken for received", CORE + "Node/NodeQueueCore.swift",
     "        if received >= self.lastDelivery.number {", "        if received <= self.lastDelivery.number {"),
    ("a lease renewed for ever", CORE + "Node/NodeQueueCore.swift",
     "        if silence >= self.times.leaseDuration { return self.die(into: &actions) }", ""),
    ("a silent node's waiting jobs dropped", CORE + "Node/NodeQueueCore.swift",
     "        actions.append(.giveBack(jobs))\n    }\n\n    private mutating func endAllLeases", "    }\n\n    private mutating func endAllLeases"),
    ("a dead node's unstarted jobs dropped", CORE + "Node/NodeQueueCore.swift",
     "        if !free.isEmpty { actions.append(.giveBack(free)) }", ""),
    ("leases ended early: a node's job runs twice", CORE + "Node/NodeQueueCore.swift",
     "        if silence >= self.times.leaseDuration {", "        if silence >= self.times.leaseDuration / 4 {"),
    ("recovered jobs run without waiting for inventories", COORDINATOR + "Coordinator.swift",
     "isRecovering: !opening.nodes.isEmpty,", "isRecovering: false,"),
    ("a claimed job is released as well", COORDINATOR + "NodeRegistry+Inventory.swift",
     "            return await self.dispatcher.claim(stored.id, lane: stored.lane, share: stored.options.share)",
     "            return true"),
    ("a retry is stored but never scheduled", COORDINATOR + "NodeQueue+Results.swift",
     "                await self.context.dispatcher.schedule(", "                if attempt.history.failures > 1 { continue }\n                await self.context.dispatcher.schedule("),
    ("scheduled jobs added during a load are lost", CORE + "Dispatch/ScheduledLine.swift",
     "            self.added.append(job)", "            _ = job"),
    ("jobs a node does not hold stay leased to it", CORE + "Node/NodeQueueCore+Report.swift",
     "            if held.contains(sequence) {", "            if held.contains(sequence) || sequence > 0 {"),
    ("a repeated submit gets a new sequence", SDK + "Client/SubmitCore.swift",
     "            frame.mayBeAccepted = true\n            return .again(cause)",
     "            self.retire(frame)\n            self.requeue(frame.entries, alone: false)\n            return .requeued"),
    ("a claimed job takes no place under a cap", CORE + "Dispatch/DispatchCore.swift",
     "        self.activate(\n            id, lane: self.lines[index].lane, key: self.lines[index].key, isOrdered: self.lines[index].isOrdered,\n            uses: uses, at: Instant(nanoseconds: 0))\n", ""),
    ("buckets are full after a takeover", COORDINATOR + "Dispatcher.swift",
     "isRecovering: isRecovering, at: loop.now)", "isRecovering: isRecovering, at: Instant(nanoseconds: 0))"),
    ("a job starts however late it is for its services", SDK + "Worker/WorkerCore.swift",
     "            return extras.startBy.map { clock.mayHaveReached($0, at: now) } ?? false", "            return false"),
    ("an answer to a repeated report is taken for a fresh one", SDK + "Worker/WorkerCore+Session.swift",
     "askedAt: outstanding.sentAt, at:", "askedAt: sentAt, at:"),
    ("a heavy job takes one token", CORE + "Dispatch/DispatchCore+Services.swift",
     "gate!.take(weight: use.weight, key", "gate!.take(weight: 1, key"),
    ("a job takes nothing of its key", CORE + "Dispatch/DispatchCore+Services.swift",
     "gate!.take(weight: use.weight, key: use.key, at: now)", "gate!.take(weight: use.weight, key: nil, at: now)"),
    ("what waits for tokens is not woken", CORE + "Dispatch/DispatchCore+Services.swift",
     "first.rank <= now { self.open(first.id) }", "first.rank <= now { self.serviceTimers.remove(first.id) }"),
    ("jobs of an epoch before hold no place at their services", CORE + "Dispatch/DispatchCore.swift",
     "        self.hold(uses)\n", ""),
    ("the tokens of a dead node come back", CORE + "Dispatch/DispatchCore+Nodes.swift",
     "        guard let index = self.nodePlaces.removeValue(forKey: key) else { return }\n",
     "        guard let index = self.nodePlaces.removeValue(forKey: key) else { return }\n"
     "        for place in self.services.indices {\n"
     "            guard let gate = self.services[place].gate, gate.rateShare(at: now) == AdaptiveRate.full else { continue }\n"
     "            self.services[place].gate!.buckets = gate.limits.rates.map {\n"
     "                TokenBucket($0, level: min($0.burst, (gate.level(at: now) ?? 0) + 4), at: now)\n            }\n        }\n"),
    ("a chunk takes one token", CORE + "Limits/ServiceGate.swift",
     "        self.spend(chunk, key: key, at: now)", "        self.spend(1, key: key, at: now)"),
    ("a job that a service turned away loses an attempt", COORDINATOR + "NodeQueue+Results.swift",
     "        if named.contains(where: { used.contains($0) }) { return (.returned, named) }",
     "        if named.contains(where: { used.contains($0) }) {\n"
     "            return (.failed(JobFailure(kind: \"f\", message: \"\"), isRetryable: true), named)\n        }"),
    ("a service that turns jobs away stays open", CORE + "Limits/ServiceGate+Health.swift",
     "let until = max(self.closedUntil, now + min(max(asked, Self.retryAfterMin), Self.retryAfterMax))",
     "let until = now + min(asked, .zero)"),
    ("a service that is left alone opens with the next coordinator", COORDINATOR + "ServiceDesk.swift",
     "            await self.dispatcher.close(service: closing.name, for: left)", "            _ = left"),
    ("that a service is to be left alone is not stored", COORDINATOR + "NodeQueue+Results.swift",
     "        changes += closings.map(Change.closeService)\n", "        _ = closings\n"),
    ("a service's lower burst leaves the level as it was", CORE + "Limits/TokenBucket.swift",
     "        if self.tokens >= self.burst {\n            (self.tokens, self.parts) = (self.burst, 0)\n        } else if",
     "        if self.tokens >= self.burst {\n            self.parts = 0\n        } else if"),
    ("limits that are set fill the bucket", CORE + "Limits/TokenBucket.swift",
     "        if self.tokens >= self.burst {\n            (self.tokens, self.parts) = (self.burst, 0)\n        } else if",
     "        if self.tokens <= self.burst {\n            (self.tokens, self.parts) = (self.burst, 0)\n        } else if"),
    ("a service that is paused goes on", COORDINATOR + "Dispatcher+Services.swift",
     "        if isPaused {\n", "        if isPaused, limits == nil {\n"),
    ("the next of a key overtakes a retry", CORE + "Dispatch/DispatchCore+Limits.swift",
     "        self.keys[key].apart.insert(id, at: self.keys[key].apart.sortedIndex(of: id))", ""),
    ("groups share whatever their weights", CORE + "Dispatch/DispatchCore+Flows.swift",
     "UInt64(jobs) * Self.virtualStep / self.flows[flow].weight", "UInt64(jobs) * Self.virtualStep"),
    ("a group that comes back has what it left to others", CORE + "Dispatch/DispatchCore+Flows.swift",
     "        let start = max(self.flows[flow].start, self.queues[queue].time)\n        self.queues[queue].time = start\n",
     "        let start = self.flows[flow].start\n        self.queues[queue].time = max(start, self.queues[queue].time)\n"),
    ("a wait list is not released", CORE + "Dispatch/DispatchCore+Limits.swift",
     "        let parked = self.queues[queue].parked\n        self.queues[queue].parked = []\n        self.unpark(parked, at: now)",
     "        self.queues[queue].parked = []"),
    ("new jobs under a cap do not wait for inventories", CORE + "Dispatch/DispatchCore+Limits.swift",
     "        if self.isRecovering, self.mustKnowWhatNodesHold(track) { return .recovery }", ""),
    ("after a restart a job that is due later holds nobody up", COORDINATOR + "Coordinator.swift",
     "            await dispatcher.recover(scheduled: jobs)", "            await dispatcher.recover(scheduled: [])"),
    ("an ordered job lets the next go before its end is durable", COORDINATOR + "NodeQueue.swift",
     "        await self.tellSettled(settlement.succeeded, haveSucceeded: true)\n", "        await self.tellSettled(settlement.succeeded, haveSucceeded: true)\n        await self.tellEnded(settlement.succeeded)\n"),
    ("a payload dies with the one that it replaced", STORE + "Tables/JobTables+End.swift",
     "        if let revision = update.revision, revision != row.revision {", "        if update.revision == .max {"),
    ("a payload that is replaced during a run is not run", STORE + "Tables/JobTables+End.swift",
     "        let isOver = row.revision == job.revision", "        let isOver = row.revision >= job.revision"),
    ("follow-ups of a completion that comes too late", STORE + "Tables/JobTables+End.swift",
     "        guard var row = try self.row(job.id), row.isWaiting, self.isLane(job.lane, of: row) else { return false }\n"
     "        let isOver",
     "        if try self.row(job.id)?.isWaiting != true, let details = job.details {\n"
     "            try self.createFollowUps(details.followUps, at: now)\n        }\n"
     "        guard var row = try self.row(job.id), row.isWaiting, self.isLane(job.lane, of: row) else { return false }\n"
     "        let isOver"),
    ("an accepted completion loses its follow-ups", STORE + "Tables/JobTables+End.swift",
     "            try self.createFollowUps(details.followUps, at: now)", "            _ = details.followUps"),
    ("a job that is given back forgets its checkpoint", COORDINATOR + "Dispatcher.swift",
     "self.extras?.expires != nil || self.isOutdated }", "self.extras?.expires != nil }"),
    ("a checkpoint is called saved before it is durable", COORDINATOR + "NodeQueue+Results.swift",
     "        if !settled.checkpoints.isEmpty { changes.append(.checkpoint(settled.checkpoints)) }",
     "        if !settled.checkpoints.isEmpty {\n"
     "            self.answer(report.number, settlement.verdicts, missing: [], in: report)\n"
     "            changes.append(.checkpoint(settled.checkpoints))\n        }"),
    ("a child runs before all of its parents have ended", STORE + "Tables/JobTables+Releases.swift",
     "        if row.waits == 0 { try self.unblock(row, at: now) } else { try self.write(row) }",
     "        try self.unblock(row, at: now)"),
    ("a parent's death does not reach those behind its child", STORE + "Tables/JobTables+Releases.swift",
     "        if row.flags.contains(.parent) { self.releases",
     "        if row.flags.contains(.parent), row.state != .cancelled { self.releases"),
    ("a batch does not count a member that failed before", STORE + "Tables/JobTables+Releases.swift",
     "        if row.flags.contains(.batchMember), let batch = row.options.batch {\n            try self.leaveBatch",
     "        if row.flags.contains(.batchMember), row.history.failures == 0, let batch = row.options.batch {\n"
     "            try self.leaveBatch"),
    ("a batch calls twice", STORE + "Tables/JobTables+Batches.swift",
     "        if isNeeded { return try self.unblock(row, at: now) }",
     "        if isNeeded {\n            try self.unblock(row, at: now)\n            return try self.unblock(row, at: now)\n        }"),
    ("a batch calls for success whatever became of it", STORE + "Tables/JobTables+Batches.swift",
     "(batch.onSuccess, batch.hasSucceeded)", "(batch.onSuccess, true)"),
    ("a batch ends before those within it", STORE + "Tables/JobTables+Batches.swift",
     "        if let parent = new.parent { try self.joinBatch(parent) }", ""),
    ("jobs that are tried anew are not given to dispatch", COORDINATOR + "ControlService+Groups.swift",
     "        await self.dispatcher.enqueue(self.waiting(jobs).filter { !gone.contains($0.id) }.map(\\.ready))\n",
     "        _ = gone\n"),
    ("a job that is tried anew keeps its failures", COORDINATOR + "ControlService+Groups.swift",
     "state: .ready, history: JobHistory())", "state: .ready, history: nil)"),
    ("what a purge ends stays", COORDINATOR + "ControlService+Groups.swift",
     "let keptFor = isPurge ? .zero", "let keptFor = isPurge ? nil"),
    ("an operation counts the jobs that it could not change", COORDINATOR + "ControlService+Bulk.swift",
     "changed: page.jobs.count - missing.count,", "changed: page.jobs.count,"),
    ("a unique key is free at once after a success", STORE + "Tables/JobTables+End.swift",
     "            try self.setHold(on: name, UniqueHold(job: row.id, until: now + window))",
     "            _ = window\n            try self.setHold(on: name, nil)"),
    ("a key that is unique in its queue is so in its type", STORE + "Tables/UniqueHold.swift",
     "within: unique.scope == .queue ? lane.queue : lane.type", "within: lane.type"),
    ("a duplicate that is to be refused is let in", STORE + "Tables/JobTables+Submit.swift",
     "            guard isStrict || unique.conflict == .refuse else { continue }", "            guard isStrict else { continue }"),
    ("a child does not see what its parents left", STORE + "Tables/JobTables+End.swift",
     "job.isKept || row.flags.contains(.workflowMember)", "job.isKept"),
    ("a child is told of a parent that is tried anew as it is", STORE + "StoreState+Groups.swift",
     "state: state.isTerminal ? state : .dead", "state: state"),
    ("a batch that is closed takes no follow-ups", STORE + "Tables/JobTables+Batches.swift",
     "        return !batch.isOver\n", "        return !batch.isClosed\n"),
    ("a trim ends before what is kept fits", STORE + "Tables/JobTables+Kept.swift",
     "            guard bytes > trim.bytesMax else { break }", "            guard bytes > trim.bytesMax, removed == 0 else { break }"),
    ("what a group leaves of a release is forgotten", STORE + "Tables/JobTables+Releases.swift",
     "        while let release = self.releases.popFirst() { try self.store(release) }",
     "        while self.releases.popFirst() != nil {}"),
    ("a pause is answered and not kept", COORDINATOR + "ControlService.swift",
     "            await self.dispatcher.pause(target.pause)\n            self.log", "            self.log"),
    ("a pause is forgotten at a restart", COORDINATOR + "ControlService.swift",
     "        for target in self.pauses.keys.sorted() { await self.dispatcher.pause(target.pause) }", ""),
    ("a job taken out for a change does not come back", COORDINATOR + "Dispatcher+Control.swift",
     "            if isTaken || isFound { self.enqueue([after]) }", "            if !isTaken, isFound { self.enqueue([after]) }"),
    ("a job that is given back stays in line", SDK + "Worker/WorkerCore+GiveBack.swift",
     "if isWanted(job) { self.record(Report.Item(returning: job), into: &actions) } else { kept.append(job) }",
     "if isWanted(job) { self.record(Report.Item(returning: job), into: &actions) }\n            kept.append(job)"),
    ("a job that has started is given back", SDK + "Worker/WorkerCore+GiveBack.swift",
     "            self.giveBack(into: &actions) { wanted.contains($0.token) }\n",
     "            self.giveBack(into: &actions) { wanted.contains($0.token) }\n"
     "            for job in self.slots.flatMap(\\.ours) where wanted.contains(job.token) {\n"
     "                self.record(job.item(.returned), into: &actions)\n            }\n"),
    ("jobs that were asked for are others' before they are given back", CORE + "Node/NodeQueueCore+Steals.swift",
     "        self.isAskToTell = true\n        self.tell(into: &actions)\n",
     "        let early = sequences.compactMap { self.window.remove($0) }\n"
     "        self.settledTotal += UInt64(early.count)\n        actions.append(.giveBack(early))\n"
     "        self.isAskToTell = true\n        self.tell(into: &actions)\n"),
    ("what is given back when it is asked for is lost", CORE + "Node/NodeQueueCore+Report.swift",
     "            settlement.returned.append(self.markedIfAsked(leased, sequence: token.sequence))",
     "            let back = self.markedIfAsked(leased, sequence: token.sequence)\n"
     "            if !back.body.wasGivenBack { settlement.returned.append(back) }"),
    ("what was not sent yet is lost when it is asked for", CORE + "Node/NodeQueueCore+Steals.swift",
     "        self.withdraw(unsent, areAskedFor: true, into: &actions)",
     "        self.withdraw(Array(unsent.dropFirst()), areAskedFor: true, into: &actions)"),
    ("a worker keeps running after its leases", SDK + "Worker/WorkerCore+Time.swift",
     "        guard now >= self.cancelAt, !self.holdsNothing || self.isDraining else { return }", "        if true { return }"),
]


def plant(tree, file, old, new):
    path = tree / file
    path.write_text(path.read_text().replace(old, new, 1))


def gone(mutants):
    """The names of those whose text no longer stands in the sources."""
    names = []
    for name, file, old, _ in mutants:
        path = ROOT / file
        if not path.is_file() or old not in path.read_text():
            names.append(name)
            print(f"mutants: {file} has changed, and \"{name}\" finds no place in it:\n{old}", file=sys.stderr)
    return names


def build(tree):
    return subprocess.run(
        ["swift", "build", "-c", "release", "--product", "martlet-simulate"], cwd=tree, capture_output=True, text=True)


def hunt(tree):
    """The seed that found the bug and what it said, or None."""
    result = subprocess.run(
        [str(tree / ".build/release/martlet-simulate"), "--seeds", str(SEEDS)], capture_output=True, text=True)
    if result.returncode == 0:
        return None
    lines = [line for line in (result.stdout + result.stderr).splitlines() if line.startswith("seed")]
    return lines[-1] if lines else "the process died on a precondition"


def main():
    wanted = sys.argv[1:]
    if wanted == ["--check"]:
        return 1 if gone(MUTANTS) else 0
    mutants = [mutant for mutant in MUTANTS if not wanted or mutant[0] in wanted]
    unknown = sorted(set(wanted) - {mutant[0] for mutant in mutants})
    # Before hours of hunting, not in their midst.
    if unknown or gone(MUTANTS):
        for name in unknown:
            print(f"mutants: there is none called \"{name}\"", file=sys.stderr)
        return 1
    missed = 0
    with tempfile.TemporaryDirectory(prefix="martlet-mutants-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", ".build", "*.db*"), symlinks=True)
        for name, file, old, new in mutants:
            begin = time.monotonic()
            original = (tree / file).read_text()
            plant(tree, file, old, new)
            built = build(tree)
            if built.returncode != 0:
                errors = [line for line in built.stdout.splitlines() if "error:" in line]
                sys.exit(f"mutants: \"{name}\" does not build: {errors[:1]}")
            found = hunt(tree)
            (tree / file).write_text(original)
            missed += found is None
            print(f"{'found' if found else 'MISSED':<7} {name} ({time.monotonic() - begin:.0f} s): {found or ''}", flush=True)
    print(f"{missed} missed" if missed else "every mutant was found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
