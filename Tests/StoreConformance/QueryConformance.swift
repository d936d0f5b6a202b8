import MartletCore
import MartletStore
import Testing

/// Recovery, loading, and what people ask.
extension StoreConformance {
    static let queryCases = [
        Case("readyJobsComeInPagesInIdOrder", readyJobsComeInPagesInIdOrder),
        Case("scheduledJobsComeInPagesInDueOrder", scheduledJobsComeInPagesInDueOrder),
        Case("jobsLoadAsSubmitted", jobsLoadAsSubmitted),
        Case("loadStopsAtItsBytesAfterAtLeastOneJob", loadStopsAtItsBytesAfterAtLeastOneJob),
        Case("filtersMatch", filtersMatch),
        Case("aJobIsShownWhole", aJobIsShownWhole),
    ]

    private static func readyJobsComeInPagesInIdOrder(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let ids = try await owner.submit(1, (0..<30).map { .job(lane: $0 % 2 == 0 ? .first : .second) })
        try await owner.commit(
            .succeed([SucceededJob(ids[4])]),
            .update([JobUpdate(ids[6], .dead), JobUpdate(ids[8], .scheduled, due: 5)]))
        let expected = ids.enumerated().filter { ![4, 6, 8].contains($0.offset) }
            .map { ReadyJob(id: $0.element, lane: $0.offset % 2 == 0 ? .first : .second) }
        var found: [ReadyJob] = []
        while true {
            let page = try await owner.store.readyJobs(after: found.last?.id, limit: 7)
            #expect(page.count <= 7)
            found += page
            guard page.count == 7 else { break }
        }
        #expect(found == expected)
        #expect(try await owner.store.readyJobs(after: ids.last, limit: 7).isEmpty)
        await owner.store.close()
    }

    private static func scheduledJobsComeInPagesInDueOrder(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        // Many due at once, some before 1970, and one that is never due.
        let dues: [Int64] = [50, 10, 50, 50, -5, 70, 50, 10, 60, .max]
        let ids = try await owner.submit(
            1, dues.map { .job(lane: $0 == 50 ? .second : .first, due: WallTime(microseconds: $0)) })
        let all = zip(dues, ids)
            .map { ScheduledJob(due: WallTime(microseconds: $0), id: $1, lane: $0 == 50 ? .second : .first) }.sorted()
        for limit in [1, 2, 3, 100] {
            for due in [60, .max] as [Int64] {
                var found: [ScheduledJob] = []
                while true {
                    let page = try await owner.store.scheduledJobs(
                        after: found.last, dueBy: WallTime(microseconds: due), limit: limit)
                    found += page
                    guard page.count == limit else { break }
                }
                #expect(found == all.filter { $0.due.microseconds <= due })
            }
        }
        await owner.store.close()
    }

    private static func jobsLoadAsSubmitted(_ suite: StoreConformance) async throws {
        var owner = try await suite.openWithLanes()
        let options = JobOptions(
            priority: .highest, timeout: .milliseconds(1500),
            retry: RetryPolicy(maxAttempts: 3, initialBackoff: .seconds(1), maxBackoff: .seconds(9), jitter: 0.125))
        let big = String(repeating: "x", count: 300_000)
        let new: [NewJob] = [
            .job("plain"), .job("", lane: .third), .job("with options", lane: .second, options: options),
            .job(big, due: 9),
            .job("timeout only", options: JobOptions(timeout: .seconds(1))),
            .job("retry only", options: JobOptions(retry: .never)),
        ]
        let ids = try await owner.submit(1, new)
        try await owner.commit(.update([JobUpdate(ids[0], .scheduled, due: 44, failures: 2, nodeDeaths: 1)]))
        for _ in 0..<2 {
            let asked = ids + [JobID(shard: 0, sequence: 1 << 40)]
            let (jobs, isComplete) = try await owner.store.load(asked, bytesMax: .max)
            #expect(isComplete)
            #expect(jobs.map(\.id) == ids)
            #expect(jobs.map(\.payload) == new.map(\.payload))
            #expect(jobs.map(\.options) == new.map(\.options))
            #expect(jobs.map(\.lane) == new.map(\.lane))
            #expect(jobs.map(\.due) == [44, nil, nil, 9, nil, nil])
            #expect(
                jobs.map(\.history) == [JobHistory(failures: 2, nodeDeaths: 1)]
                    + Array(repeating: JobHistory(), count: 5))
            owner = try await suite.reopen(owner)
        }
        await owner.store.close()
    }

    private static func loadStopsAtItsBytesAfterAtLeastOneJob(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let ids = try await owner.submit(1, (0..<10).map { _ in .job(String(repeating: "p", count: 100)) })
        try await owner.commit(.succeed([SucceededJob(ids[0])]))
        for (bytesMax, count) in [(0, 1), (1, 1), (100, 1), (101, 2), (300, 3), (899, 9)] {
            let (jobs, isComplete) = try await owner.store.load(ids, bytesMax: bytesMax)
            #expect(jobs.map(\.id) == Array(ids[1...count]), "\(bytesMax)")
            #expect(isComplete == (count == 9), "\(bytesMax)")
        }
        let (none, isComplete) = try await owner.store.load([], bytesMax: 0)
        #expect(none.isEmpty && isComplete)
        let (gone, isAllGone) = try await owner.store.load([ids[0]], bytesMax: 0)
        #expect(gone.isEmpty && isAllGone)
        await owner.store.close()
    }

    private static func filtersMatch(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let new: [NewJob] = (0..<12).map {
            .job("\($0)", lane: LaneID(rawValue: UInt32($0 % 3)), due: $0 % 4 == 0 ? 9 : nil)
        }
        let ids = try await owner.submit(1, new)
        try await owner.commit(
            .update([JobUpdate(ids[3], .dead), JobUpdate(ids[7], lane: .second, .dead)]),
            .update([JobUpdate(ids[8], lane: .third, .dead), JobUpdate(ids[11], lane: .third, .cancelled)]),
            .succeed([SucceededJob(ids[10], lane: .second, retained: true)]))
        func find(_ filter: JobFilter, after: JobID? = nil, limit: Int = 100) async throws -> [Int] {
            try await owner.store.jobs(matching: filter, after: after, limit: limit)
                .map { Int($0.id.rawValue - ids[0].rawValue) }
        }
        #expect(try await find(JobFilter()) == Array(0..<12))
        #expect(try await find(JobFilter(), after: ids[3], limit: 4) == [4, 5, 6, 7])
        #expect(try await find(JobFilter(), limit: 0) == [])
        #expect(try await find(JobFilter(), after: ids[11]) == [])
        #expect(try await find(JobFilter(state: .ready)) == [1, 2, 5, 6, 9])
        #expect(try await find(JobFilter(state: .ready), after: ids[2], limit: 2) == [5, 6])
        #expect(try await find(JobFilter(state: .scheduled)) == [0, 4])
        #expect(try await find(JobFilter(state: .dead)) == [3, 7, 8])
        #expect(try await find(JobFilter(state: .dead), after: ids[3], limit: 1) == [7])
        #expect(try await find(JobFilter(state: .succeeded)) == [10])
        #expect(try await find(JobFilter(state: .cancelled)) == [11])
        #expect(try await find(JobFilter(state: .running)) == [])
        #expect(try await find(JobFilter(queue: "mail")) == [0, 1, 3, 4, 6, 7, 9, 10])
        #expect(try await find(JobFilter(type: "welcome")) == [0, 2, 3, 5, 6, 8, 9, 11])
        #expect(try await find(JobFilter(queue: "mail", type: "welcome")) == [0, 3, 6, 9])
        #expect(try await find(JobFilter(state: .dead, queue: "mail"), after: ids[3]) == [7])
        #expect(try await find(JobFilter(state: .ready, queue: "nobody's")) == [])
        await owner.store.close()
    }

    private static func aJobIsShownWhole(_ suite: StoreConformance) async throws {
        let owner = try await suite.openWithLanes()
        let options = JobOptions(priority: .highest, timeout: .seconds(7))
        let id = try await owner.submit(1, [.job("payload", lane: .second, due: 900, options: options)], at: 123)[0]
        let (record, payload) = try #require(try await owner.store.job(id))
        #expect(record.id == id && record.lane == LaneKey.standard[1] && record.state == .scheduled)
        #expect(record.options == options && record.history == JobHistory())
        #expect(record.createdAt == 123 && record.due == 900 && record.finishedAt == nil)
        #expect(record.lastFailure == nil && record.payloadCount == 7)
        #expect(payload == Bytes(copying: "payload".utf8))
        let listed = try #require(try await owner.store.jobs(matching: JobFilter(), after: nil, limit: 1).first)
        #expect(listed.options == options && listed.payloadCount == 7 && listed.due == 900)
        #expect(try await owner.store.job(id.advanced(by: 1)) == nil)
        await owner.store.close()
    }
}
