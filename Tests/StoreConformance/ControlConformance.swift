import MartletCore
import MartletStore
import Testing

/// What people do to many jobs at once, and what they stop.
extension StoreConformance {
    static let controlCases = [
        Case("aGroupOfAnOperationIsCountedWithItsCursor", aGroupOfAnOperationIsCountedWithItsCursor),
        Case("anOperationIsForTheJobsThatAreThere", anOperationIsForTheJobsThatAreThere),
        Case("anOperationIsForgotten", anOperationIsForgotten),
        Case("aPendingJobIsDueAtAnotherTime", aPendingJobIsDueAtAnotherTime),
        Case("aCancelLeavesTheHistoryAsItIs", aCancelLeavesTheHistoryAsItIs),
        Case("pausesOutliveTheirOwner", pausesOutliveTheirOwner),
        Case("whatIsSetForServicesOutlivesItsOwner", whatIsSetForServicesOutlivesItsOwner),
        Case("theLatestChangesOfServicesAreKept", theLatestChangesOfServicesAreKept),
        Case("theLongerClosingOfAServiceStays", theLongerClosingOfAServiceStays),
    ]

    private static func record(_ id: UInt64, _ operation: BulkOperation = .cancel) -> BulkRecord {
        let filter = JobFilter(
            state: .scheduled, queue: "mail", type: "welcome", tag: "red", createdBefore: 77,
            batch: BatchID(rawValue: .max), workflow: JobID(rawValue: 5), group: "g")
        return BulkRecord(id: BulkID(rawValue: id), operation: operation, filter: filter, startedAt: 90)
    }

    private static func aGroupOfAnOperationIsCountedWithItsCursor(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        let ids = try await owner.submit(1, .jobs(4))
        try await owner.commit(.beginBulk(record(1)))
        var step = record(1)
        step.cursor = ids[2]
        step.changed = 5
        step.missed = 1
        let updates = ids[0...2].map {
            JobUpdate(id: $0, lane: .first, state: .cancelled, history: nil, keptFor: .zero)
        }
        try await owner.commit(.succeed([SucceededJob(ids[1])]))
        let outcomes = try await owner.commit(.bulk(BulkStep(step, .update(updates))))
        #expect(outcomes == [.applied(missing: [ids[1]])])
        #expect(try await owner.states(ids) == [nil, nil, nil, .ready])
        #expect(try await owner.totals().cancelledTotal == 2)
        owner = try await suite.reopen(owner)
        let found = try #require(owner.opening.bulks.first)
        step.changed = 7
        step.missed = 2
        #expect(found == step)
        await owner.store.close()
    }

    private static func anOperationIsForTheJobsThatAreThere(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        let ids = try await owner.submit(1, .jobs(3))
        var begun: [BulkRecord] = []
        for (place, operation) in [
            BulkOperation.cancel, .retry, .delete, .purge, .reschedule(500), .reschedule(nil), .prioritize(.highest),
        ].enumerated() {
            var wanted = record(UInt64(place + 1), operation)
            let outcomes = try await owner.commit(.beginBulk(wanted))
            wanted.through = ids[2]
            #expect(outcomes == [.began(wanted)])
            begun.append(wanted)
        }
        owner = try await suite.reopen(owner)
        #expect(owner.opening.bulks == begun)
        await owner.store.close()
    }

    private static func anOperationIsForgotten(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        try await owner.commit(.beginBulk(record(1)), .beginBulk(record(2)), .forgetBulk(BulkID(rawValue: 1)))
        owner = try await suite.reopen(owner)
        #expect(owner.opening.bulks.map(\.id.rawValue) == [2])
        await owner.store.close()
    }

    private static func aPendingJobIsDueAtAnotherTime(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        var options = JobOptions()
        options.expiry = .microseconds(50)
        let ids = try await owner.submit(1, [.job(options: options), .job(due: 5000), .job()])
        try await owner.commit(.update([JobUpdate(ids[2], .dead)]))
        let result = try await owner.store.commit(
            CommitGroup(
                epoch: owner.epoch, now: 100,
                changes: [
                    .reschedule([
                        Rescheduling(id: ids[0], lane: .first, due: 900),
                        Rescheduling(id: ids[1], lane: .first, due: nil),
                        Rescheduling(id: ids[2], lane: .first, due: 900),
                    ])
                ]))
        #expect(result.outcomes == [.applied(missing: [ids[2]])])
        #expect(result.consequences.moved.map(\.after.due) == [900, nil])
        #expect(result.consequences.moved.map(\.dueBefore) == [nil, 5000])
        #expect(try await owner.states(ids) == [.scheduled, .ready, .dead])
        let loaded = try await owner.store.load(ids, bytesMax: .max).jobs
        #expect(loaded.map(\.due) == [900, nil])
        #expect(loaded.map(\.expires) == [950, nil])
        _ = try await owner.totals()
        await owner.store.close()
    }

    private static func aCancelLeavesTheHistoryAsItIs(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let ids = try await owner.submit(1, .jobs(1))
        try await owner.commit(.update([JobUpdate(ids[0], .scheduled, due: 500, failures: 3)]))
        try await owner.commit(
            .update([JobUpdate(id: ids[0], lane: .first, state: .cancelled, history: nil, keptFor: nil)]))
        let record = try #require(try await owner.store.job(ids[0])?.record)
        #expect(record.state == .cancelled && record.history.failures == 3)
        await owner.store.close()
    }

    private static func pausesOutliveTheirOwner(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        try await owner.commit(
            .pause(Pause(.type("mail"), since: 3)), .pause(Pause(.queue("mail"), since: 1)),
            .pause(Pause(.queue("audio"), since: 2)), .resume(.queue("audio")), .resume(.queue("nobody")))
        owner = try await suite.reopen(owner)
        #expect(owner.opening.pauses == [Pause(.queue("mail"), since: 1), Pause(.type("mail"), since: 3)])
        await owner.store.close()
    }

    private static func record(_ name: String, _ limits: ServiceLimits?, isPaused: Bool = false) -> ServiceRecord {
        ServiceRecord(name: name, limits: limits, isPaused: isPaused, changedAt: 5, changedBy: "ann")
    }

    private static func whatIsSetForServicesOutlivesItsOwner(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        #expect(owner.opening.services.isEmpty && owner.opening.serviceChanges.isEmpty)
        let all = ServiceLimits(
            rates: [
                RateLimit(tokens: 100, per: .seconds(1), burst: 20),
                RateLimit(tokens: 1_000_000, per: .seconds(86400), burst: 1000),
            ], concurrency: 10,
            perKey: KeyedLimits(rates: [RateLimit(tokens: 2, per: .seconds(1), burst: 3)], concurrency: 4, keysMax: 77),
            adaptive: AdaptiveLimits(
                decrease: 700, floor: 10, step: 20, stepInterval: .seconds(3), closedFor: .seconds(4)),
            breaker: BreakerLimits(failuresToOpen: 7, openFor: .seconds(8)))
        let least = ServiceLimits(concurrency: 1, adaptive: nil, breaker: nil)
        try await owner.commit(
            .setService(Self.record("maps", least), what: "set"), .setService(Self.record("stripe", all), what: "set"),
            .setService(Self.record("mail", least), what: "set"),
            .setService(Self.record("mail", nil), what: "reset"),
            .setService(Self.record("maps", nil, isPaused: true), what: "paused"))
        owner = try await suite.reopen(owner)
        #expect(owner.opening.services == [Self.record("maps", nil, isPaused: true), Self.record("stripe", all)])
        #expect(owner.opening.serviceChanges.map(\.name) == ["maps", "stripe", "mail", "mail", "maps"])
        #expect(owner.opening.serviceChanges.last == ServiceChange(name: "maps", at: 5, by: "ann", what: "paused"))
        await owner.store.close()
    }

    private static func theLongerClosingOfAServiceStays(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        #expect(owner.opening.serviceClosings.isEmpty)
        func close(_ name: String, at: WallTime, for duration: Duration) async throws {
            let closing = ServiceClosing(name: name, at: at, lastsFor: duration)
            _ = try await owner.store.commit(
                CommitGroup(epoch: owner.epoch, now: at, changes: [.closeService(closing)]))
        }
        try await close("maps", at: 100, for: .microseconds(1000))
        try await close("maps", at: 200, for: .microseconds(10))
        try await close("mail", at: 300, for: .microseconds(7))
        try await close("mail", at: 306, for: .microseconds(2))
        // The clock was an hour ahead: no more than it asked for is left of it.
        try await close("stripe", at: 3_600_000_000, for: .microseconds(5))
        try await close("stripe", at: 400, for: .microseconds(6))
        owner = try await suite.reopen(owner)
        #expect(
            owner.opening.serviceClosings == [
                ServiceClosing(name: "mail", at: 306, lastsFor: .microseconds(2)),
                ServiceClosing(name: "maps", at: 100, lastsFor: .microseconds(1000)),
                ServiceClosing(name: "stripe", at: 400, lastsFor: .microseconds(6)),
            ])
        await owner.store.close()
    }

    private static func theLatestChangesOfServicesAreKept(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        for number in 0..<ServiceChange.changesMax + 5 {
            try await owner.commit(.setService(Self.record("maps", nil), what: "\(number)"))
        }
        owner = try await suite.reopen(owner)
        #expect(owner.opening.serviceChanges.count == ServiceChange.changesMax)
        #expect(owner.opening.serviceChanges.first?.what == "5")
        await owner.store.close()
    }
}
