import MartletCore
import Testing

extension RealCluster {
    /// Waits until every job has ended, then checks the promise that everything here is about: each acknowledged job
    /// was run and ended once, and nothing exists twice or that should not.
    func checkAllEndedOnce(_ ledger: Ledger, dead: Int = 0, within limit: Duration = .seconds(20)) async throws {
        var totals = QueueTotals()
        try await eventually("every job has ended", within: limit) {
            totals = try await self.totals()
            return totals.open == 0 && totals.succeeded + totals.dead == totals.submitted
        }
        let entries = ledger.now
        #expect(totals.submitted >= entries.acknowledged.count, "an acknowledged job is missing")
        #expect(
            totals.submitted <= entries.acknowledged.count + entries.unknown.count, "a job was made more than once")
        #expect(totals.dead == dead)
        var ids: [Int: Set<JobID>] = [:]
        let runs = self.runs
        for line in runs.lines { ids[line.number, default: []].insert(line.id) }
        for (number, id) in entries.acknowledged where ids[number] != [id] {
            Issue.record("job \(id) with payload \(number) was run as \(ids[number] ?? [])")
        }
        for (number, error) in entries.refused where ids[number] != nil {
            Issue.record("payload \(number) was refused (\(error)) and run")
        }
        let ended = Set(runs.numbers(.end))
        #expect(ended.isSuperset(of: entries.acknowledged.keys) || dead > 0, "a job succeeded that no handler ended")
    }
}
