import MartletCore
import MartletVirtualTime
import Testing

@Suite struct LeaseWindowTests {
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func behavesLikeADictionary(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var window = LeaseWindow()
        var model: [UInt64: UInt64] = [:]
        var next: UInt64 = 1
        for _ in 0..<150 {
            switch random.below(8) {
            case 0, 1:
                next += UInt64(random.below(3))
                let count = UInt64(random.once(in: 12) ? random.below(1500) : random.below(20))
                window.add((0..<count).map { .sample(5000 + next + $0) }, first: next)
                for offset in 0..<count { model[next + offset] = 5000 + next + offset }
                next += count
            case 2:
                let sequence = UInt64(random.below(Int(next) + 5))
                #expect(window.job(at: sequence)?.id.rawValue == model[sequence])
                #expect(window.remove(sequence, of: JobID(rawValue: 1)) == nil)
            case 3:
                let low = UInt64(random.below(Int(next) + 5))
                let high = low + UInt64(random.below(50))
                let found = window.leases(in: low..<high)
                #expect(found.map(\.sequence) == model.keys.filter { (low..<high).contains($0) }.sorted())
                #expect(found.allSatisfy { model[$0.sequence] == $0.job.id.rawValue })
            default:
                var oldest = model.keys.min() ?? 0
                for _ in 0..<(1 + random.below(300)) {
                    oldest += 1
                    let sequence = random.once(in: 2) ? UInt64(random.below(Int(next) + 5)) : oldest
                    let id = model.removeValue(forKey: sequence)
                    let named = random.once(in: 2) ? id.map { JobID(rawValue: $0) } : nil
                    #expect(window.remove(sequence, of: named)?.id.rawValue == id)
                }
            }
            window.checkInvariants()
            #expect(window.count == model.count)
        }
        #expect(window.all.map(\.sequence) == model.keys.sorted())
        for sequence in model.keys.sorted() { _ = window.remove(sequence) }
        window.checkInvariants()
        #expect(window.count == 0 && window.all.isEmpty)
    }

    /// One job that runs for long must not keep the places of all that came and went beside it.
    @Test func longLeasesDoNotKeepTheMemoryOfShortOnes() {
        var window = LeaseWindow()
        var next: UInt64 = 1
        for round in 0..<500 as Range<UInt64> {
            window.add((0..<64).map { .sample(next + $0) }, first: next)
            // The first of each hundredth delivery goes on for ever.
            for offset in (round % 100 == 0 ? 1 : 0)..<64 as Range<UInt64> { _ = window.remove(next + offset) }
            next += 64
        }
        window.checkInvariants()
        #expect(window.count == 5)
        #expect(window.placeCount <= 4096 + 4 * 5)
        #expect(window.batchCount <= 64)
        #expect(window.all.map(\.sequence) == (0..<5).map { 1 + $0 * 6400 })
    }
}
