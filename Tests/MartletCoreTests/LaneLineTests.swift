import MartletCore
import MartletVirtualTime
import Testing

@Suite struct LaneLineTests {
    /// A lane as plain arrays: what came back, and what waits, with or without a body.
    private struct Model {
        var returned: [UInt64] = []
        var waiting: [(id: UInt64, hasBody: Bool)] = []
        var asked: [UInt64] = []

        var all: [UInt64] { self.returned.sorted() + self.asked + self.waiting.map(\.id) }

        mutating func take(_ max: Int) -> [UInt64] {
            self.returned.sort()
            var taken = Array(self.returned.prefix(max))
            self.returned.removeFirst(taken.count)
            while taken.count < max, let first = self.waiting.first, first.hasBody {
                taken.append(first.id)
                self.waiting.removeFirst()
            }
            return taken
        }

        mutating func ask() -> [UInt64] {
            let ids = self.waiting.prefix(LaneLine.loadMax).prefix { !$0.hasBody }.map(\.id)
            self.waiting.removeFirst(ids.count)
            self.asked = ids.sorted()
            return self.asked
        }
    }

    private static let traits = JobTraits.sample()

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func behavesLikePlainArrays(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var line = LaneLine()
        var model = Model()
        var nextID: UInt64 = 1
        var out: [UInt64] = []
        for _ in 0..<300 {
            switch random.below(10) {
            case 0, 1, 2:
                nextID += random.once(in: 3) ? 0 : UInt64(random.below(4))
                let count = random.once(in: 40) ? random.below(1300) : random.below(6)
                let hasBodies = random.once(in: 2)
                let ids = (0..<UInt64(count)).map { nextID + $0 }
                if hasBodies {
                    let body = QueuedJob.sample(1, traits: Self.traits).body
                    line.append(
                        first: JobID(rawValue: nextID), bodies: ContiguousArray(repeating: body, count: count))
                } else {
                    line.append(first: JobID(rawValue: nextID), count: count)
                }
                model.waiting += ids.map { ($0, hasBodies) }
                nextID += UInt64(count)
            case 3 where !out.isEmpty:
                let id = out.remove(at: random.below(out.count))
                line.giveBack(.sample(id, traits: Self.traits))
                model.returned.append(id)
            case 4 where !out.isEmpty:
                // A retry: its id is anywhere among the others.
                let id = out.remove(at: random.below(out.count))
                line.append(JobID(rawValue: id))
                model.waiting.append((id, false))
            case 5, 6, 7:
                if model.asked.isEmpty {
                    self.take(1 + random.below(300), from: &line, &model, into: &out)
                } else {
                    self.answer(&line, &model, using: &random)
                }
            case 8 where random.once(in: 10):
                var earlier = LaneLine()
                for _ in 0..<random.below(40) {
                    earlier.append(JobID(rawValue: nextID))
                    nextID += UInt64(1 + random.below(2))
                }
                let ids = earlier.allIDs()
                let excluded = Set(ids.filter { _ in random.once(in: 4) })
                line.prepend(earlier, excluding: excluded)
                model.waiting.insert(
                    contentsOf: ids.filter { !excluded.contains($0) }.map { ($0.rawValue, false) }, at: 0)
            default:
                let id = random.below(Int(nextID) + 1)
                let isThere = model.asked.contains(UInt64(id)) || model.waiting.contains { $0.id == id }
                #expect(line.contains(JobID(rawValue: UInt64(id))) == isThere)
            }
            line.checkInvariants()
            #expect(line.count == model.returned.count + model.asked.count + model.waiting.count)
            #expect(line.first?.rawValue == model.returned.min() ?? model.asked.first ?? model.waiting.first?.id)
            #expect(line.isLoading == !model.asked.isEmpty)
        }
        #expect(line.allIDs().map(\.rawValue) == model.all)
    }

    /// What is taken out is gone, wherever it was, and all else keeps its order and its body.
    @Test(arguments: 1...30 as ClosedRange<UInt64>)
    func jobsAreTakenOutOfAnyPlace(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var line = LaneLine()
        var nextID: UInt64 = 1
        for _ in 0..<20 {
            nextID += UInt64(random.below(3))
            let count = 1 + random.below(random.once(in: 3) ? 600 : 4)
            if random.once(in: 2) {
                let bodies = (0..<UInt64(count)).map {
                    QueuedJob.sample(nextID + $0, bytes: Int(nextID + $0) % 50).body
                }
                line.append(first: JobID(rawValue: nextID), bodies: ContiguousArray(bodies))
            } else {
                line.append(first: JobID(rawValue: nextID), count: count)
            }
            nextID += UInt64(count)
        }
        var jobs: [QueuedJob] = []
        for _ in 0..<3 { if !line.isLoading { _ = line.take(max: 200, into: &jobs) } }
        for job in jobs.prefix(20) { line.giveBack(job) }
        for _ in 0..<5 {
            let before = line.allIDs()
            let wanted = (0..<random.below(300)).map { _ in JobID(rawValue: UInt64(random.below(Int(nextID)))) }
            let ids = Set(wanted).sorted()
            let there = Set(before)
            let removed = line.remove(ids)
            #expect(removed == ids.filter(there.contains))
            #expect(line.allIDs() == before.filter { !ids.contains($0) })
            line.checkInvariants()
        }
        let left = Set(line.allIDs())
        var taken: [QueuedJob] = []
        while !line.isEmpty || line.isLoading {
            if case .needsBodies(let asked) = line.isLoading
                ? .needsBodies(line.askedIDs) : line.take(max: 50, into: &taken)
            {
                // The store still has those that left the line; their answer must not bring them back.
                line.load(
                    asked.map { .sample($0.rawValue, bytes: Int($0.rawValue) % 50) }, outOf: asked[...])
            }
        }
        #expect(Set(taken.map(\.id)) == left && taken.count == left.count)
        #expect(taken.allSatisfy { $0.body.payload.count == Int($0.id.rawValue) % 50 })
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func orderedLineAscendsWhateverComesBack(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var line = LaneLine()
        var nextID: UInt64 = 1
        var out: [JobID] = []
        for _ in 0..<400 {
            switch random.below(5) {
            case 0:
                let count = 1 + random.below(5)
                let bodies = (0..<UInt64(count)).map { QueuedJob.sample(nextID + $0).body }
                if random.once(in: 2) {
                    line.append(first: JobID(rawValue: nextID), bodies: ContiguousArray(bodies))
                } else {
                    line.append(first: JobID(rawValue: nextID), count: count)
                }
                nextID += UInt64(count)
            case 1, 2:
                if !out.isEmpty { line.insert(out.remove(at: random.below(out.count))) }
            case 3:
                let asked = line.askedIDs
                if !asked.isEmpty { line.load(asked.map { .sample($0.rawValue) }, outOf: asked[...]) }
            default:
                guard !line.isLoading else { continue }
                var jobs: [QueuedJob] = []
                let first = line.first
                if line.take(max: 1, into: &jobs) == .took {
                    #expect(jobs[0].id == first)
                    out.append(jobs[0].id)
                }
            }
            let ids = line.allIDs()
            #expect(line.first == ids.min())
            if !line.isLoading { #expect(ids == ids.sorted()) }
            #expect(line.count == ids.count && ids.count + out.count == Int(nextID) - 1)
            line.checkInvariants()
        }
    }

    /// However long the line, taking a thousand jobs out looks at segments, not at jobs.
    @Test func takingOutOfAMillionLooksAtSegments() {
        var line = LaneLine()
        line.append(first: JobID(rawValue: 1), count: 1_000_000)
        let ids = (0..<1000).map { JobID(rawValue: UInt64(500 + 1000 * $0)) }
        #expect(line.remove(ids) == ids)
        #expect(line.count == 999_000 && line.segmentCount == 1001)
        #expect(line.remove(ids) == [] && line.segmentCount == 1001)
    }

    /// Memory stays in proportion to the ids that are left, however many gaps there are between them.
    @Test(arguments: [1, 7, 500])
    func gapsCostNoSegmentEach(groupSize: Int) {
        var line = LaneLine()
        let count = groupSize == 1 ? 4000 : 100_000
        line.append(first: JobID(rawValue: 1), count: count)
        let gone = stride(from: 2, through: count, by: 2).map { JobID(rawValue: UInt64($0)) }
        for start in stride(from: 0, to: gone.count, by: groupSize) {
            let ids = Array(gone[start..<min(start + groupSize, gone.count)])
            #expect(line.remove(ids) == ids)
        }
        line.checkInvariants()
        #expect(line.allIDs() == stride(from: 1, through: count, by: 2).map { JobID(rawValue: UInt64($0)) })
        #expect(line.segmentCount <= 2 + count / 2 / 500)
    }

    @Test func gapsBetweenBodiesCostNoSegmentEach() {
        var line = LaneLine()
        let body = QueuedJob.sample(1, traits: Self.traits).body
        line.append(first: JobID(rawValue: 1), bodies: ContiguousArray(repeating: body, count: 200))
        let gone = stride(from: 2, through: 200, by: 2).map { JobID(rawValue: UInt64($0)) }
        #expect(line.remove(gone) == gone && line.segmentCount == 1)
        var jobs: [QueuedJob] = []
        #expect(line.take(max: 200, into: &jobs) == .took)
        #expect(jobs.map(\.id) == stride(from: 1, to: 200, by: 2).map { JobID(rawValue: UInt64($0)) })
    }

    private func take(_ max: Int, from line: inout LaneLine, _ model: inout Model, into out: inout [UInt64]) {
        var jobs: [QueuedJob] = []
        let head = line.take(max: max, into: &jobs)
        let expected = model.take(max)
        #expect(jobs.map(\.id.rawValue) == expected)
        out += expected
        if !expected.isEmpty {
            #expect(head == .took)
        } else if model.all.isEmpty {
            #expect(head == .empty)
        } else {
            #expect(head == .needsBodies(model.ask().map { JobID(rawValue: $0) }))
        }
    }

    private func answer(_ line: inout LaneLine, _ model: inout Model, using random: inout SeededRandom) {
        if random.once(in: 4) {
            line.loadFailed()
            model.waiting.insert(contentsOf: model.asked.map { ($0, false) }, at: 0)
        } else {
            let looked = random.once(in: 2) ? model.asked : Array(model.asked.prefix(1 + random.below(9)))
            let found = looked.filter { _ in !random.once(in: 5) }
            let gone = line.load(
                found.map { .sample($0, traits: Self.traits) }, outOf: looked.map { JobID(rawValue: $0) }[...])
            #expect(gone == looked.count - found.count)
            model.waiting.insert(contentsOf: model.asked.dropFirst(looked.count).map { ($0, false) }, at: 0)
            model.waiting.insert(contentsOf: found.map { ($0, true) }, at: 0)
        }
        model.asked = []
    }

    /// Recovery ends while the bodies of new jobs are being read.
    @Test func jobsFromBeforeComeInWhileBodiesAreRead() {
        var line = LaneLine()
        line.append(first: JobID(rawValue: 100), count: 2)
        var jobs: [QueuedJob] = []
        guard case .needsBodies(let ids) = line.take(max: 5, into: &jobs) else { return #expect(Bool(false)) }
        var earlier = LaneLine()
        earlier.append(first: JobID(rawValue: 1), count: 3)
        line.prepend(earlier, excluding: [JobID(rawValue: 2)])
        line.load(ids.map { .sample($0.rawValue) }, outOf: ids[...])
        line.checkInvariants()
        #expect(line.allIDs().map(\.rawValue) == [100, 101, 1, 3])
    }

    @Test func oldestOfThoseGivenBackComesFirst() {
        var line = LaneLine()
        line.append(first: JobID(rawValue: 1), bodies: [QueuedJob.sample(1).body])
        for id in [9, 4, 7] as [UInt64] { line.giveBack(.sample(id)) }
        var jobs: [QueuedJob] = []
        #expect(line.take(max: 10, into: &jobs) == .took)
        #expect(jobs.map(\.id.rawValue) == [4, 7, 9, 1])
        #expect(line.isEmpty && line.take(max: 1, into: &jobs) == .empty)
    }

    /// Bodies travel with their ids, however jobs are cut into pieces.
    @Test func eachJobKeepsItsOwnBody() {
        var line = LaneLine()
        for start in stride(from: UInt64(1), to: 40, by: 3) {
            line.append(
                first: JobID(rawValue: start),
                bodies: ContiguousArray((0..<3).map { QueuedJob.sample(start + $0, bytes: Int(start + $0)).body }))
        }
        var jobs: [QueuedJob] = []
        while line.take(max: 5, into: &jobs) == .took {}
        #expect(jobs.count == 39)
        #expect(jobs.allSatisfy { $0.body.payload.count == Int($0.id.rawValue) })
    }
}
