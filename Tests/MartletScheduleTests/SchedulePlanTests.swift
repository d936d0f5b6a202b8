import MartletCore
import MartletSchedule
import MartletVirtualTime
import Testing

@Suite struct SchedulePlanTests {
    static let noon = time("2024-03-01T12:00:00+00:00")

    static func times(
        _ text: String = "*/10 * * * *", zone: TimeZoneName = .utc, rules: ScheduleRules = ScheduleRules(),
        name: String = "report"
    ) throws -> ScheduleTimes {
        let recurrence = try Recurrence(text, zone: zone, anchor: WallTime(microseconds: 0))
        return ScheduleTimes(name: name, recurrence: recurrence, rules: rules)
    }

    static func minutes(_ plan: SchedulePlan) -> [Int] {
        plan.fires.map { Int(($0.instant - Self.noon).components.seconds) / 60 }
    }

    @Test func nothingIsDueBeforeTheFirstInstant() throws {
        let plan = SchedulePlan(try Self.times(), handledThrough: Self.noon, now: Self.noon + .seconds(599))
        #expect(plan.fires.isEmpty && plan.skipped == 0)
        #expect(plan.handledThrough == Self.noon)
        #expect(plan.wakeAt == Self.noon + .seconds(600))
    }

    @Test func whatIsDueFiresOnce() throws {
        let times = try Self.times()
        let plan = SchedulePlan(times, handledThrough: Self.noon, now: Self.noon + .seconds(600))
        #expect(plan.fires == [.init(instant: Self.noon + .seconds(600), dueAt: Self.noon + .seconds(600))])
        #expect(plan.handledThrough == Self.noon + .seconds(600))
        #expect(plan.wakeAt == Self.noon + .seconds(1200))
        let again = SchedulePlan(times, handledThrough: plan.handledThrough, now: Self.noon + .seconds(600))
        #expect(again.fires.isEmpty)
    }

    /// Down from noon to 12:45: 12:10, 20, 30 and 40 are due.
    @Test(arguments: [
        (MissedRunPolicy.skip, 60, [], 4), (.skip, 300, [40], 3), (.latest, 60, [40], 3), (.all(max: 1), 60, [40], 3),
        (.all(max: 3), 60, [20, 30, 40], 1), (.all(max: 4), 60, [10, 20, 30, 40], 0),
        (.all(max: 1000), 60, [10, 20, 30, 40], 0),
    ])
    func missedInstantsFollowThePolicy(missed: MissedRunPolicy, late: Int, fires: [Int], skipped: Int) throws {
        let times = try Self.times(rules: ScheduleRules(missed: missed, lateMax: .seconds(late)))
        let plan = SchedulePlan(times, handledThrough: Self.noon, now: Self.noon + .seconds(45 * 60))
        #expect(Self.minutes(plan) == fires)
        #expect(plan.skipped == skipped && !plan.skippedIsAtLeast)
        #expect(plan.handledThrough == Self.noon + .seconds(40 * 60))
        #expect(plan.wakeAt == Self.noon + .seconds(50 * 60))
    }

    @Test func aClockPutBackMakesItWait() throws {
        let times = try Self.times(rules: ScheduleRules(missed: .all(max: 10)))
        let plan = SchedulePlan(times, handledThrough: Self.noon, now: Self.noon - .seconds(86400))
        #expect(plan.fires.isEmpty && plan.skipped == 0)
        #expect(plan.handledThrough == Self.noon)
        #expect(plan.wakeAt == Self.noon + .seconds(600))
    }

    @Test func aYearOfMissedSecondsIsCountedToABound() throws {
        let rules = ScheduleRules(missed: .all(max: 2))
        let cron = SchedulePlan(
            try Self.times("* * * * * *", rules: rules), handledThrough: Self.noon,
            now: Self.noon + .seconds(366 * 86400))
        #expect(cron.fires.map(\.instant) == [366 * 86400 - 1, 366 * 86400].map { Self.noon + .seconds($0) })
        #expect(cron.skipped == SchedulePlan.countMax && cron.skippedIsAtLeast)
        let every = try Self.times("@every 1s", rules: rules)
        #expect(every.count(after: Self.noon, through: Self.noon + .seconds(366 * 86400), max: .max) == 366 * 86400)
    }

    @Test func noInstantLiesOutsideTheBounds() throws {
        let rules = ScheduleRules(
            missed: .all(max: 100), start: Self.noon + .seconds(1200), end: Self.noon + .seconds(2400))
        let times = try Self.times(rules: rules)
        let early = SchedulePlan(times, handledThrough: Self.noon, now: Self.noon + .seconds(700))
        #expect(early.fires.isEmpty && early.wakeAt == Self.noon + .seconds(1200))
        let late = SchedulePlan(times, handledThrough: Self.noon, now: Self.noon + .seconds(86400))
        #expect(Self.minutes(late) == [20, 30])
        #expect(late.wakeAt == nil && late.skipped == 0)
    }

    @Test func jitterIsTheSameEachTimeAndDiffersByName() throws {
        let rules = ScheduleRules(jitter: .seconds(300))
        let (one, same) = (try Self.times("@daily", rules: rules), try Self.times("@daily", rules: rules))
        let other = try Self.times("@daily", rules: rules, name: "invoice")
        let instants = one.recurrence.previews(after: Self.noon, count: 200)
        #expect(instants.map(one.dueAt) == instants.map(same.dueAt))
        #expect(instants.map(one.dueAt) != instants.map(other.dueAt))
        let shifts = instants.map { one.dueAt($0) - $0 }
        #expect(shifts.allSatisfy { .zero <= $0 && $0 <= .seconds(300) })
        #expect(shifts.contains { $0 < .seconds(30) } && shifts.contains { $0 > .seconds(270) })
        // Changing the hash would move every stored schedule: its value is a promise.
        #expect(one.dueAt(Self.noon) - Self.noon == .microseconds(176_226_833))
    }

    @Test(arguments: ["* * * * * *", "*/10 * * * *", "0,1 * * * *", "@every 7s"])
    func jitterNeverChangesTheOrder(text: String) throws {
        let times = try Self.times(text, rules: ScheduleRules(jitter: .seconds(3600)))
        let due = times.recurrence.previews(after: Self.noon, count: 300).map(times.dueAt)
        #expect(zip(due, due.dropFirst()).allSatisfy { $0 < $1 })
    }

    @Test func anInstantWaitsForItsJitter() throws {
        let times = try Self.times(
            "@daily", rules: ScheduleRules(missed: .skip, lateMax: .seconds(1), jitter: .seconds(3600)))
        let instant = time("2024-03-02T00:00:00+00:00")
        let due = times.dueAt(instant)
        #expect(due > instant)
        let before = SchedulePlan(times, handledThrough: Self.noon, now: due - .microseconds(1))
        #expect(before.fires.isEmpty && before.wakeAt == due)
        let after = SchedulePlan(times, handledThrough: Self.noon, now: due)
        #expect(after.fires == [.init(instant: instant, dueAt: due)])
    }

    /// Whatever the clock does and however often plans are made, each instant is fired or skipped once, in order.
    @Test(arguments: 1...60 as ClosedRange<UInt64>)
    func everyInstantIsHandledOnce(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let texts = ["*/10 * * * *", "30 2 * * *", "@every 17m", "0 * * * *", "*/20 0 * * * *", "0 9-17 * * MON-FRI"]
        let policies: [MissedRunPolicy] = [.skip, .latest, .all(max: 3), .all(max: 1000)]
        let rules = ScheduleRules(
            missed: policies[random.below(policies.count)], jitter: .seconds(random.below(3) * 400),
            end: random.once(in: 4) ? Self.noon + .seconds(20 * 86400) : nil)
        let zone = try TimeZoneName("America/New_York")
        let times = try Self.times(texts[random.below(texts.count)], zone: zone, rules: rules)
        var (now, handled) = (Self.noon, Self.noon)
        var fired: [WallTime] = []
        var skipped = 0
        for _ in 0..<120 {
            // Mostly on, by minutes or a day; at times back.
            now =
                now
                + .seconds(random.once(in: 5) ? -random.below(7200) : random.below(random.once(in: 9) ? 86400 : 3000))
            let plan = SchedulePlan(times, handledThrough: handled, now: now)
            #expect(plan.handledThrough >= handled)
            #expect(plan.fires.allSatisfy { $0.instant > handled && $0.dueAt <= now && $0.instant <= $0.dueAt })
            #expect(plan.wakeAt.map { $0 > now } ?? (rules.end != nil))
            fired += plan.fires.map(\.instant)
            skipped += plan.skipped
            handled = plan.handledThrough
        }
        let all = times.recurrence.instants(
            in: Self.noon + .microseconds(1)..<handled + .microseconds(1), max: 100_000)
        #expect(fired == fired.sorted() && Set(fired).count == fired.count)
        #expect(Set(fired).isSubset(of: all))
        #expect(fired.count + skipped == all.count)
        if rules.missed == .all(max: 1000) { #expect(fired == all) }
    }

    @Test func overlapFollowsThePolicy() {
        #expect([0, 1, 2].map(OverlapPolicy.allow.answer) == [.start, .start, .start])
        #expect([0, 1, 2].map(OverlapPolicy.skip.answer) == [.start, .leaveOut, .leaveOut])
        #expect([0, 1, 2].map(OverlapPolicy.queueOne.answer) == [.start, .wait, .leaveOut])
    }

    @Test func rulesThatMakeNoSenseAreNamed() {
        func problem(
            _ missed: MissedRunPolicy = .skip, late: Duration = .zero, jitter: Duration = .zero, start: WallTime? = nil
        ) -> String? {
            ScheduleRules.problem(missed: missed, lateMax: late, jitter: jitter, start: start, end: Self.noon)
        }
        #expect(problem() == nil)
        #expect(problem(.all(max: 0)) == "the missed runs to make up for must be 1 to 1000")
        #expect(problem(.all(max: 1001)) != nil)
        #expect(problem(late: .seconds(-1)) == "lateMax must not be negative")
        #expect(problem(jitter: .seconds(86401)) == "jitter must be 0 to 24 hours")
        #expect(problem(start: Self.noon) == "start must be before end")
    }
}
