import MartletCore
import MartletVirtualTime
import Testing

@Suite struct ScheduledLineTests {
    private static let start = WallTime(microseconds: 1_000_000_000)

    private static func job(_ id: Int, due seconds: Int) -> ScheduledJob {
        ScheduledJob(
            due: Self.start + .seconds(Int64(seconds)), id: JobID(rawValue: UInt64(id)), lane: LaneID(rawValue: 0))
    }

    /// A disk of scheduled jobs that answers pages late, fails at times, and gets new jobs all the while.
    private struct Disk {
        var jobs: Set<ScheduledJob> = []
        var line: ScheduledLine
        var asked: (after: ScheduledJob?, dueBy: WallTime)?
        /// What the page will hold: the disk is read before it is answered.
        var page: [ScheduledJob]?
        var taken: [ScheduledJob] = []
        var now = ScheduledLineTests.start

        init(isRecovered: Bool) {
            self.line = ScheduledLine(after: isRecovered ? ScheduledLineTests.start : nil)
        }

        mutating func add(_ job: ScheduledJob) {
            self.jobs.insert(job)
            self.line.add(job)
        }

        /// Another due time, earlier or later, wherever the job is.
        mutating func move(_ job: ScheduledJob, to due: WallTime) {
            self.jobs.remove(job)
            self.add(ScheduledJob(due: due, id: job.id, lane: job.lane))
        }

        mutating func remove(_ job: ScheduledJob) {
            self.jobs.remove(job)
            _ = self.line.remove([job.id])
        }

        mutating func advance() {
            var actions: [ScheduledLine.Action] = []
            self.line.advance(to: self.now, into: &actions)
            guard case .load(let after, let dueBy)? = actions.first else { return }
            #expect(self.asked == nil, "one load at a time")
            self.asked = (after, dueBy)
        }

        mutating func readPage() {
            guard let (after, dueBy) = self.asked, self.page == nil else { return }
            let found = self.jobs.filter { job in job.due <= dueBy && after.map { $0 < job } ?? true }
            self.page = Array(found.sorted().prefix(ScheduledLine.pageMax))
        }

        mutating func answer(fails: Bool) {
            guard let page else { return }
            if fails { self.line.loadFailed() } else { self.line.loaded(page) }
            self.asked = nil
            self.page = nil
        }

        mutating func take(_ max: Int) {
            let due = self.line.takeDue(at: self.now, max: max)
            #expect(due == due.sorted() && due.allSatisfy { $0.due <= self.now })
            for job in due { #expect(self.jobs.remove(job) != nil, "nothing twice, nothing that is not there") }
            self.taken += due
        }
    }

    @Test(arguments: 1...30 as ClosedRange<UInt64>)
    func eachJobComesOnceAndOnTime(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var disk = Disk(isRecovered: random.once(in: 2))
        var lastID = 0
        // Jobs from before: later than the start, for those due by then are somebody else's.
        for _ in 0..<random.below(200) {
            lastID += 1
            disk.jobs.insert(Self.job(lastID, due: 1 + random.below(200)))
        }
        for _ in 0..<1500 {
            switch random.below(10) {
            case 8:
                guard let job = disk.jobs.sorted().randomElement(using: &random) else { continue }
                let elapsed = Int((disk.now - Self.start).wholeMilliseconds / 1000)
                disk.move(job, to: Self.start + .seconds(Int64(elapsed + random.below(random.once(in: 2) ? 4 : 150))))
            case 9 where random.once(in: 4):
                if let job = disk.jobs.sorted().randomElement(using: &random) { disk.remove(job) }
            case 0, 1:
                lastID += 1
                let elapsed = Int((disk.now - Self.start).wholeMilliseconds / 1000)
                disk.add(Self.job(lastID, due: elapsed + random.below(random.once(in: 3) ? 3 : 150)))
            case 2: disk.now = disk.now + .milliseconds(Int64(random.below(1000)))
            case 3: disk.readPage()
            case 4: disk.answer(fails: random.once(in: 4))
            case 5: disk.take(1 + random.below(5))
            default: disk.advance()
            }
        }
        // Everything due so far comes out once pages are answered.
        for _ in 0..<20 {
            disk.advance()
            disk.readPage()
            disk.answer(fails: false)
            disk.take(10_000)
        }
        #expect(disk.jobs.allSatisfy { $0.due > disk.now })
        #expect(disk.line.nextDue == disk.jobs.filter { $0.due <= disk.now + ScheduledLine.horizon }.min()?.due)
    }

    @Test func movedJobIsInOnePlace() {
        var line = ScheduledLine(after: Self.start)
        var actions: [ScheduledLine.Action] = []
        line.advance(to: Self.start, into: &actions)
        line.loaded([])
        line.add(Self.job(1, due: 5))
        line.add(Self.job(2, due: 6))
        line.add(Self.job(1, due: 9))
        #expect(line.count == 2 && line.nextDue == Self.start + .seconds(6))
        line.add(Self.job(1, due: 2))
        line.add(Self.job(1, due: 5))
        #expect(line.takeDue(at: Self.start + .seconds(20), max: 10).map(\.id.rawValue) == [1, 2])
        line.add(Self.job(3, due: 7))
        line.add(Self.job(3, due: 3600))
        #expect(line.count == 0 && line.nextDue == nil, "far ahead it is on disk only")
        for second in 0..<10_000 { line.add(Self.job(4, due: 1 + second % 20)) }
        #expect(line.takeDue(at: Self.start + .seconds(20), max: 10).count == 1)
        line.add(Self.job(5, due: 7))
        #expect(line.remove([JobID(rawValue: 5), JobID(rawValue: 6)]).map(\.rawValue) == [5])
        #expect(line.takeDue(at: Self.start + .seconds(20), max: 10).isEmpty)
    }

    @Test func equalDueTimesAreReadPageByPage() {
        var disk = Disk(isRecovered: false)
        let count = ScheduledLine.pageMax * 2 + 5
        for id in 1...count { disk.jobs.insert(Self.job(id, due: 10)) }
        disk.now = Self.start + .seconds(10)
        for _ in 0..<4 {
            disk.advance()
            disk.readPage()
            disk.answer(fails: false)
            disk.take(count)
        }
        #expect(disk.taken.count == count)
    }

    @Test func jobsDueFarAheadStayOnDisk() {
        var disk = Disk(isRecovered: true)
        for id in 1...100 { disk.add(Self.job(id, due: 3600)) }
        disk.advance()
        disk.readPage()
        disk.answer(fails: false)
        #expect(disk.line.count == 0)
    }

    /// However many jobs are due at the same time, only so many are in memory.
    @Test func memoryIsBoundedWhenAllIsDueAtOnce() {
        var disk = Disk(isRecovered: true)
        disk.advance()
        disk.readPage()
        disk.answer(fails: false)
        let count = 2 * ScheduledLine.jobsMax + 5000
        for id in 1...count {
            disk.add(Self.job(id, due: 20 + id % 5))
            if id % 50_000 == 0 { #expect(disk.line.count <= 2 * ScheduledLine.jobsMax) }
        }
        #expect(disk.line.count <= ScheduledLine.jobsMax + 5000)
        disk.now = Self.start + .seconds(30)
        for _ in 0..<30 {
            disk.take(count)
            disk.advance()
            disk.readPage()
            disk.answer(fails: false)
            #expect(disk.line.count <= 2 * ScheduledLine.jobsMax)
        }
        #expect(disk.taken.count == count)
    }
}
