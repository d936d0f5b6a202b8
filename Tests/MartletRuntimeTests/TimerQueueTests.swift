import MartletCore
import Synchronization
import Testing

@testable import MartletRuntime

@Suite struct TimerQueueTests {
    /// Random inserts, removals and pops against a sorted list that does the same slowly.
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func firesInOrderOfDeadlineThenOfCreation(seed: UInt64) {
        var random = SplitMix(state: seed)
        var queue = TimerQueue()
        var model: [(deadline: UInt64, number: Int, id: TimerID)] = []
        let fired = Mutex<[Int]>([])
        var expected: [Int] = []
        for number in 0..<2000 {
            switch random.next() % 4 {
            case 0, 1:
                let deadline = random.next() % 50
                let id = queue.insert(at: Instant(nanoseconds: deadline)) { fired.withLock { $0.append(number) } }
                model.append((deadline, number, id))
            case 2 where !model.isEmpty:
                let victim = model.remove(at: Int(random.next() % UInt64(model.count)))
                let answers = [queue.take(victim.id) != nil, queue.take(victim.id) != nil]
                #expect(answers == [true, false])
            default:
                let now = random.next() % 60
                queue.popDue(at: Instant(nanoseconds: now))?()
                let first = model.indices.min { a, b in
                    (model[a].deadline, model[a].number) < (model[b].deadline, model[b].number)
                }
                if let first, model[first].deadline <= now { expected.append(model.remove(at: first).number) }
            }
            #expect(queue.count == model.count)
            #expect(queue.nextDeadline?.nanoseconds == model.map(\.deadline).min())
        }
        #expect(fired.withLock { $0 } == expected)
    }

    @Test func aMillionTimersThatAreCancelledTakeNoRoom() {
        var queue = TimerQueue()
        let kept = queue.insert(at: Instant(nanoseconds: 1)) {}
        for number in 0..<1_000_000 as Range<UInt64> {
            let timer = queue.insert(at: Instant(nanoseconds: 1_000_000_000 + number)) {}
            _ = queue.take(timer)
        }
        #expect(queue.count == 1)
        #expect(queue.capacity <= 2)
        let isKept = queue.take(kept) != nil
        #expect(isKept)
    }

    @Test func theIdOfAFiredTimerDoesNotCancelALaterOne() {
        var queue = TimerQueue()
        let first = queue.insert(at: Instant(nanoseconds: 1)) {}
        let isFired = queue.popDue(at: Instant(nanoseconds: 1)) != nil
        _ = queue.insert(at: Instant(nanoseconds: 2)) {}
        let isRemoved = queue.take(first) != nil
        #expect(isFired && !isRemoved)
        #expect(queue.count == 1)
    }
}

struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
