import MartletCore
import MartletSimulation
import MartletStore
import MartletWire
import Testing

@testable import MartletCoordinator

func definition(
    _ recurrence: String, name: String = "tick", zone: String = "UTC", rules: ScheduleRules = ScheduleRules()
) -> ScheduleDefinition {
    ScheduleDefinition(
        name: name, recurrence: recurrence, zone: zone, rules: rules,
        template: JobTemplate(type: "Send", queue: "mail"), payload: Bytes(copying: "p".utf8))
}

extension Bench {
    fileprivate func row(_ name: String = "tick") -> ScheduleRow? { self.disk.contents.schedule(name) }

    fileprivate var jobCount: Int { self.disk.contents.ids(in: Set(JobState.allCases)).count }

    /// The instants of the jobs that are there, as their metadata has them.
    fileprivate var instants: [String] {
        let contents = self.disk.contents
        return contents.ids(in: Set(JobState.allCases)).map {
            contents.job($0)?.record.options.metadata["martlet.instant"] ?? "-"
        }
    }

    fileprivate func restart(after pause: Duration, _ settings: CoordinatorSettings = .standard) async throws {
        self.crash()
        try await self.sleep(pause)
        try await self.start(settings)
    }
}

/// Schedules, by requests and in virtual time.
@Suite struct ScheduleTests {
    @discardableResult
    private static func put(_ client: TestClient, _ definition: ScheduleDefinition) async throws -> SchedulePut {
        try await client.ask(PutSchedule(definition))
    }

    @Test func eachInstantHasOneJobWithItsMetadata() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            #expect(try await Self.put(client, definition("@every 10s")).isChanged)
            #expect(try await !Self.put(client, definition("@every 10s")).isChanged)
            try await bench.sleep(.seconds(45))
            let row = try #require(bench.row())
            #expect(row.firedTotal == UInt64(bench.jobCount) && (4...5).contains(bench.jobCount))
            #expect(Set(bench.instants).count == bench.jobCount)
            let id = try #require(bench.disk.contents.ids(in: [.ready]).first)
            let options = try #require(bench.disk.contents.job(id)).record.options
            #expect(options.metadata["martlet.schedule"] == "tick")
            #expect(options.metadata["martlet.instant"]?.hasSuffix("0Z") == true)
            let node = try await bench.node("n1")
            #expect(try await node.fetchAll(4).map(\.payload) == ["p", "p", "p", "p"])
            await bench.parts.scheduler.checkInvariants()
        }
    }

    @Test(arguments: [
        ("61 * * * *", "UTC", "minute \"61\""), ("0 0 30 2 *", "UTC", "no date"), ("@daily", "Berlin", "Europe/Berlin"),
        ("@every 1ms", "UTC", "1s"), ("", "UTC", "fields"),
    ])
    func whatMakesNoSenseIsRefusedAndNotStored(recurrence: String, zone: String, text: String) throws {
        try Bench.run { bench in
            let client = try await bench.client()
            do {
                try await Self.put(client, definition(recurrence, zone: zone))
                Issue.record("it was accepted")
            } catch let refusal as ErrorReply {
                #expect(refusal.code == .badSchedule)
                #expect(refusal.message.contains(text), "\(refusal.message)")
            }
            let over = ScheduleRules(end: bench.outside.wallTime)
            #expect(try await refusal { try await Self.put(client, definition("@daily", rules: over)) } == .badSchedule)
            #expect(bench.disk.contents.allSchedules.isEmpty)
        }
    }

    @Test func boundsOfADefinitionAreKept() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            var large = definition("@daily")
            large.payload = Bytes(copying: [UInt8](repeating: 32, count: ScheduleDefinition.payloadMax + 1))
            #expect(try await refusal { try await Self.put(client, large) } == .invalidRequest)
            var full = definition("@daily")
            full.template.options.metadata = .init(
                uniqueKeysWithValues: (0..<JobOptions.metadataMax - 1).map { ("m\($0)", "") })
            #expect(try await refusal { try await Self.put(client, full) } == .invalidRequest)
            #expect(bench.disk.contents.allSchedules.isEmpty)
        }
    }

    /// Coordinator gone for 35 s; instants each 10 s.
    @Test(arguments: [
        (MissedRunPolicy.latest, 1 as UInt64, 2...3 as ClosedRange<UInt64>), (.all(max: 100), 3, 0...0),
        (.all(max: 2), 2, 1...2),
    ])
    func missedInstantsAreMadeUpForByPolicy(
        policy: MissedRunPolicy, made: UInt64, missed: ClosedRange<UInt64>
    ) throws {
        try Bench.run { bench in
            let client = try await bench.client()
            try await Self.put(client, definition("@every 10s", rules: ScheduleRules(missed: policy)))
            try await bench.until { bench.row()?.firedTotal == 1 }
            try await bench.restart(after: .seconds(35))
            try await bench.sleep(.seconds(1))
            let row = try #require(bench.row())
            #expect((made...made + 1).contains(row.firedTotal - 1), "\(row)")
            #expect(missed.contains(row.missedTotal), "\(row)")
            #expect(row.firedTotal == UInt64(bench.jobCount))
        }
    }

    @Test func whatIsTooLateIsLeftOutUnderSkip() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let rules = ScheduleRules(missed: .skip, lateMax: .zero)
            try await Self.put(client, definition("@every 10s", rules: rules))
            try await bench.sleep(.milliseconds(1))
            try await bench.restart(after: .seconds(35))
            try await bench.sleep(.seconds(1))
            let row = try #require(bench.row())
            #expect(row.missedTotal >= 3 && row.firedTotal == UInt64(bench.jobCount) && bench.jobCount <= 1)
        }
    }

    /// What people are told was missed is stored: a restart neither forgets it nor counts it again.
    @Test func whatWasMissedIsCountedOnceAcrossRestarts() throws {
        try Bench.run { bench in
            func missed() async throws -> UInt64 {
                let list: ScheduleList = try await bench.client().ask(ListSchedules())
                return try #require(list.schedules.first).missedTotal
            }
            try await Self.put(
                bench.client(), definition("@every 10s", rules: ScheduleRules(missed: .skip, lateMax: .zero)))
            try await bench.until { bench.row()?.firedTotal == 1 }
            #expect(try await missed() == 0)
            try await bench.restart(after: .seconds(35))
            try await bench.sleep(.seconds(1))
            let first = try await missed()
            #expect((3...4).contains(first), "instants each 10 s, and nobody there for 35")
            try await bench.restart(after: .milliseconds(1))
            try await bench.sleep(.milliseconds(500))
            #expect(try await missed() == first)
            try await bench.restart(after: .seconds(25))
            try await bench.sleep(.seconds(1))
            let second = try await missed()
            #expect((first + 2...first + 3).contains(second))
            #expect(bench.row()?.missedTotal == second)
        }
    }

    @Test func aCommitThatFailsIsTriedAgainAndNothingIsLost() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            try await Self.put(client, definition("@every 10s", rules: ScheduleRules(missed: .all(max: 100))))
            bench.faults.current.refuse = { group in
                let isFire = group.changes.contains { if case .schedule(.fire) = $0 { true } else { false } }
                return isFire ? StoreError(.diskFull, "as told") : nil
            }
            try await bench.sleep(.seconds(25))
            #expect(bench.jobCount == 0)
            bench.faults.current.refuse = { _ in nil }
            try await bench.sleep(.seconds(3))
            let row = try #require(bench.row())
            #expect(bench.jobCount >= 2 && row.firedTotal == UInt64(bench.jobCount) && row.missedTotal == 0)
            #expect(Set(bench.instants).count == bench.jobCount)
            await bench.parts.scheduler.checkInvariants()
        }
    }

    @Test func aClockThatIsPutBackRepeatsNothing() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            try await Self.put(client, definition("@every 10s"))
            try await bench.sleep(.seconds(25))
            let before = bench.jobCount
            bench.world.wallOffsetMicroseconds -= 20_000_000
            try await bench.sleep(.seconds(15))
            #expect(bench.jobCount == before)
            try await bench.sleep(.seconds(45))
            #expect(bench.jobCount > before && Set(bench.instants).count == bench.jobCount)
            // And forwards: noticed within half a minute, the last one is made up for.
            let made = bench.jobCount
            bench.world.wallOffsetMicroseconds += 3_600_000_000
            try await bench.sleep(.seconds(31))
            #expect(bench.row()!.missedTotal > 300)
            #expect(bench.jobCount > made && Set(bench.instants).count == bench.jobCount)
        }
    }

    @Test func oneInstantWaitsUntilTheRunBeforeIsOver() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            let node = try await bench.node("n1")
            try await Self.put(client, definition("@every 2s", rules: ScheduleRules(overlap: .queueOne)))
            let first = try await node.fetchAll(1)
            node.beat(running: first.map(\.id))
            try await bench.sleep(.seconds(7))
            #expect(bench.row()?.queuedInstant != nil)
            #expect(bench.row()?.firedTotal == 1 && bench.row()!.skippedTotal >= 1)
            node.fallSilent()
            try await bench.sleep(.milliseconds(500))
            #expect(try await node.succeed(first) == [.accepted])
            let second = try await node.fetchAll(1)
            #expect(bench.row()?.lastJob == second[0].id && bench.row()?.firedTotal == 2)
            await bench.parts.scheduler.checkInvariants()
        }
    }

    @Test func aQuestionThatTakesLongKeepsNothingElseWaiting() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            try await Self.put(client, definition("@every 2s", rules: ScheduleRules(overlap: .queueOne)))
            try await bench.until { bench.row()?.queuedInstant != nil }
            bench.faults.current.questionLatency = .seconds(300)
            try await bench.sleep(.seconds(2))
            try await Self.put(client, definition("@every 10s", name: "other"))
            try await bench.sleep(.seconds(45))
            #expect((4...5).contains(bench.row("other")!.firedTotal))
            await bench.parts.scheduler.checkInvariants()
        }
    }

    @Test func aPausedScheduleLeavesOutWhatPasses() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            try await Self.put(client, definition("@every 10s", rules: ScheduleRules(missed: .all(max: 100))))
            let paused: ScheduleChanged = try await client.ask(ChangeSchedule(.pause, name: "tick"))
            #expect(paused.isChanged)
            try await bench.restart(after: .seconds(25))
            let again = try await bench.client()
            try await bench.sleep(.seconds(20))
            #expect(bench.jobCount == 0)
            let resumed: ScheduleChanged = try await again.ask(ChangeSchedule(.resume, name: "tick"))
            #expect(resumed.isChanged && (4...5).contains(resumed.passed))
            #expect(bench.row()?.skippedTotal == UInt64(resumed.passed))
            try await bench.until { bench.jobCount == 1 }
            let unknown = try await refusal { () -> ScheduleChanged in
                try await again.ask(ChangeSchedule(.resume, name: "tock"))
            }
            #expect(unknown == .notFound)
        }
    }

    @Test func aRunAtOnceIsRepeatedByNobody() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            try await Self.put(client, definition("@yearly"))
            let wish = RunSchedule(name: "tick", wish: .now(bench.outside.wallTime))
            let first: ScheduleRan = try await client.ask(wish)
            let second: ScheduleRan = try await client.ask(wish)
            #expect(first.runs.count == 1 && second.runs == first.runs && bench.jobCount == 1)
            #expect(bench.row()?.firedTotal == 0)
        }
    }

    @Test func aBackfillMakesEachInstantOnceAndIsBounded() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            try await Self.put(client, definition("@every 10s"))
            let now = bench.outside.wallTime
            let wish = RunSchedule(name: "tick", wish: .range(now - .seconds(100), now))
            let first: ScheduleRan = try await client.ask(wish)
            #expect(first.runs.count == 10 && first.existing == 0)
            let second: ScheduleRan = try await client.ask(wish)
            #expect(second.runs.isEmpty && second.existing == 10)
            #expect(bench.jobCount == 10)
            let long = RunSchedule(name: "tick", wish: .range(now - .seconds(20_000), now))
            #expect(try await refusal { () -> ScheduleRan in try await client.ask(long) } == .badSchedule)
            let detail: ScheduleDetail = try await client.ask(ShowSchedule(name: "tick", nextMax: 3, runsMax: 5))
            #expect(detail.runs.count == 5 && detail.next.count == 3)
            #expect(detail.next == detail.next.sorted())
            #expect(detail.runs.map(\.instant) == first.runs.suffix(5).reversed().map(\.instant))
        }
    }

    @Test func theFileIsBroughtUpToDateAtTheStart() throws {
        @Sendable func settings(_ schedules: [ScheduleDefinition]) -> CoordinatorSettings {
            CoordinatorSettings(clientAddress: Bench.clients, nodeAddress: Bench.nodes, schedules: schedules)
        }
        let (a, b) = (definition("@yearly", name: "a"), definition("@yearly", name: "b"))
        try Bench.run(settings([a, b])) { bench in
            var client = try await bench.client()
            try await bench.until { bench.disk.contents.allSchedules.count == 2 }
            try await Self.put(client, definition("@monthly", name: "c"))
            #expect(try await refusal { try await Self.put(client, a) } == .invalidRequest)
            let deletion = try await refusal { () -> ScheduleChanged in
                try await client.ask(ChangeSchedule(.delete, name: "a"))
            }
            #expect(deletion == .invalidRequest)
            let handled = bench.row("a")?.handledThrough
            let changed = definition("@weekly", name: "a")
            try await bench.restart(after: .seconds(5), settings([changed]))
            try await bench.until { bench.row("b") == nil }
            client = try await bench.client()
            let list: ScheduleList = try await client.ask(ListSchedules())
            #expect(list.schedules.map(\.name) == ["a", "c"])
            #expect(list.schedules.map(\.recurrence) == ["@weekly", "@monthly"])
            #expect(bench.row("a")?.handledThrough == handled && bench.row("a")?.revision == 2)
            try await bench.restart(after: .seconds(5), settings([changed]))
            _ = try await bench.client()
            #expect(bench.row("a")?.revision == 2, "what is the same is not written again")
        }
    }

    /// With other times those that passed are not its own; with another payload it goes on.
    @Test func aScheduleWithOtherTimesCountsFromTheChangeOn() throws {
        try Bench.run { bench in
            let client = try await bench.client()
            try await Self.put(client, definition("@yearly"))
            let made = try #require(bench.row()?.handledThrough)
            try await bench.sleep(.seconds(600))
            var other = definition("@yearly")
            other.payload = .empty
            try await Self.put(client, other)
            #expect(bench.row()?.handledThrough == made)
            try await Self.put(client, definition("@every 1m"))
            try await bench.sleep(.seconds(1))
            #expect(bench.jobCount <= 1 && bench.row()?.missedTotal == 0)
        }
    }
}
