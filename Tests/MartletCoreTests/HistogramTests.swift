import Testing

@testable import MartletCore

@Suite struct HistogramTests {
    @Test func aValueEqualToABoundIsWithinIt() {
        var histogram = Histogram(.init([10, 20]))
        for value: UInt64 in [0, 10, 11, 20, 21] { histogram.record(value) }
        #expect(histogram.counts == [2, 2, 1])
        #expect(histogram.sum == 62 && histogram.count == 5)
    }

    @Test func aValueCountsAsOftenAsItIsThere() {
        var histogram = Histogram(.init([10]))
        histogram.record(3, count: 100)
        #expect(histogram.counts == [100, 0] && histogram.sum == 300)
    }

    /// A clock that was set back says nothing that a sum could not forget.
    @Test func aNegativeTimeCountsAsNone() {
        var histogram = Histogram(.jobTimes)
        histogram.record(Duration.seconds(-5))
        #expect(histogram.counts[0] == 1 && histogram.sum == 0)
    }

    @Test func likeIsAddedToLike() {
        var histogram = Histogram(.init([10]))
        histogram.record(1)
        var other = histogram
        other.record(100)
        histogram.add(other)
        #expect(histogram.counts == [2, 1] && histogram.sum == 102)
    }
}

@Suite struct ArrivalMarksTests {
    private static func at(_ milliseconds: UInt64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    @Test func theFirstOfThoseThatWaitSaysSinceWhen() {
        var marks = ArrivalMarks()
        marks.add(10, at: Self.at(0))
        marks.add(10, at: Self.at(100))
        #expect(marks.age(waiting: 20, at: Self.at(150)) == .milliseconds(150))
        #expect(marks.age(waiting: 11, at: Self.at(150)) == .milliseconds(150))
        #expect(marks.age(waiting: 10, at: Self.at(150)) == .milliseconds(50))
        #expect(marks.age(waiting: 0, at: Self.at(150)) == .zero)
    }

    /// What a node gave back comes on top of those that came.
    @Test func moreMayWaitThanCame() {
        var marks = ArrivalMarks()
        marks.add(1, at: Self.at(0))
        #expect(marks.age(waiting: 5, at: Self.at(10)) == .milliseconds(10))
    }

    /// However long jobs come, a time is at most as much too long as the marks are apart.
    @Test func marksAreBoundedAndTimesStayNear() {
        var marks = ArrivalMarks()
        for step in 0..<10_000 { marks.add(1, at: Self.at(UInt64(step) * 10)) }
        let now = Self.at(100_000)
        // The job that came at 50,000 is first.
        let age = marks.age(waiting: 5000, at: now)
        #expect(age >= .milliseconds(50_000) && age <= .milliseconds(100_000))
        let last = marks.age(waiting: 1, at: now)
        #expect(last >= .milliseconds(10) && last <= .milliseconds(50_000))
    }
}
