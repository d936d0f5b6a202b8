import Martlet
import MartletCore
import MartletSimulation
import Testing

@Suite struct BatchLineTests {
    private static func job(_ number: UInt64, expiresAt: Instant? = nil) -> WorkerCore.Job {
        let scope = JobScope(loop: SimulatedWorld(seed: 1).makeProcess("w"), logHandler: { _ in })
        let kind = JobKind(type: "t", queue: "q", timeout: .seconds(10), scope: scope) { _, _ in }
        return WorkerCore.Job(
            id: JobID(rawValue: number), token: CoreDriver.token(epoch: 1, number), attempt: 1, payload: .empty,
            kind: kind, extras: expiresAt.map { DeliveredExtras(expiresAt: $0) })
    }

    /// Whatever comes when: no job is lost, none is in two batches, none waits for longer than the patience while
    /// somebody takes ripe batches, and all come in order.
    @Test(arguments: 1...100 as ClosedRange<UInt64>)
    func everyJobIsInOneBatchInOrderAndInTime(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let shape = BatchShape(jobsMax: 1 + random.below(8), patience: .milliseconds(random.below(30)))
        var line = BatchLine(shape)
        var now = Instant(nanoseconds: 1_000_000_000)
        var arrivals: [UInt64: Instant] = [:]
        var taken: [UInt64] = []
        var last: UInt64 = 0
        func takeRipe() {
            while line.isRipe(at: now) {
                let batch = line.take(at: now).batch
                #expect((1...shape.jobsMax).contains(batch.count))
                for job in batch { #expect(now - arrivals[job.id.rawValue]! <= shape.patience) }
                taken += batch.map(\.id.rawValue)
                line.checkInvariants()
            }
        }
        for _ in 0..<300 {
            if random.chance(0.6) {
                last += 1
                arrivals[last] = now
                line.add(Self.job(last), at: now)
            } else {
                // The clock is looked at when the line says so.
                let next = now + .milliseconds(random.below(10))
                now = min(next, max(now, line.ripeAt ?? next))
            }
            takeRipe()
        }
        taken += line.takeAll().map(\.id.rawValue)
        #expect(taken == Array(1...max(1, last)).filter { $0 <= last })
        #expect(line.count == 0)
    }

    @Test func whatIsTooLateFillsNoBatch() {
        var line = BatchLine(BatchShape(jobsMax: 2, patience: .zero))
        let start = Instant(nanoseconds: 1_000_000_000)
        for number in 1...5 as ClosedRange<UInt64> {
            line.add(Self.job(number, expiresAt: number % 2 == 0 ? nil : start + .seconds(1)), at: start)
        }
        let (batch, expired) = line.take(at: start + .seconds(1))
        #expect(batch.map(\.id.rawValue) == [2, 4] && expired.map(\.id.rawValue) == [1, 3])
        let rest = line.take(at: start + .seconds(1))
        #expect(rest.batch.isEmpty && rest.overdue.map(\.id.rawValue) == [5] && line.count == 0)
        line.checkInvariants()
    }

    @Test func aBatchIsRipeWhenItIsFullOrItsFirstJobHasWaited() {
        var line = BatchLine(BatchShape(jobsMax: 3, patience: .milliseconds(50)))
        let start = Instant(nanoseconds: 1_000_000_000)
        #expect(!line.isRipe(at: start) && line.ripeAt == nil)
        line.add(Self.job(1), at: start)
        line.add(Self.job(2), at: start + .milliseconds(40))
        #expect(!line.isRipe(at: start + .milliseconds(49)))
        #expect(line.isRipe(at: start + .milliseconds(50)))
        line.add(Self.job(3), at: start + .milliseconds(41))
        #expect(line.isRipe(at: start + .milliseconds(41)) && line.fullCount == 1)
        line.add(Self.job(4), at: start + .milliseconds(42))
        #expect(line.take(at: start).batch.map(\.id.rawValue) == [1, 2, 3])
        #expect(!line.isRipe(at: start + .milliseconds(91)) && line.isRipe(at: start + .milliseconds(92)))
    }
}
