import MartletCore
import MartletVirtualTime
import Testing

@Suite struct DrainForecastTests {
    private typealias Question = DrainForecast.Question
    private static let rate = RateLimit(tokens: 100, per: .seconds(1), burst: 20)

    @Test func emptyBucketDrainsAtItsRate() {
        let forecast = DrainForecast(Question(rates: [Self.rate], meanTime: .seconds(2), backlog: 100_000))
        #expect(forecast.lastStart == .seconds(1000))
        #expect(forecast.drained == .seconds(1002))
        #expect(forecast.quarters == [.seconds(250), .seconds(500), .seconds(750)])
        #expect(forecast.heldBy == .rate(Self.rate))
        #expect(forecast.startsPerSecond(100_000) == 100)
    }

    @Test func weightAndLevelCount() {
        let heavy = DrainForecast(Question(rates: [Self.rate], backlog: 1000, weight: 7, level: 14))
        #expect(heavy.lastStart == .milliseconds(69_860))
        let light = DrainForecast(Question(rates: [Self.rate], backlog: 20, level: 100))
        #expect(light.lastStart == .zero && light.heldBy == .nothing)
    }

    /// Letting through several jobs at a time changes nothing of the end.
    @Test(arguments: 1...50 as ClosedRange<UInt64>)
    func endIsThatOfSingleSteps(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let rates = [
            RateLimit(
                tokens: 1 + random.below(100), per: .milliseconds(1 + random.below(2000)), burst: 8 + random.below(99)),
            RateLimit(tokens: 1 + random.below(1000), per: .seconds(60), burst: 100 + random.below(900)),
        ]
        var question = Question(
            rates: rates, backlog: 1 + random.below(2000), weight: 1 + random.below(8), level: random.below(300))
        let forecast = DrainForecast(question)
        question.places = question.backlog
        let single = DrainForecast(question)
        #expect(forecast.lastStart == single.lastStart)
        var buckets = rates.map { TokenBucket($0, level: min(question.level, $0.burst), at: Instant(nanoseconds: 0)) }
        var now = Instant(nanoseconds: 0)
        for _ in 0..<question.backlog {
            now = buckets.map { $0.ready(question.weight, at: now) }.max()!
            for index in buckets.indices { buckets[index].take(question.weight, at: now) }
        }
        #expect(forecast.lastStart == now - Instant(nanoseconds: 0))
    }

    @Test func fewPlacesHoldMoreThanTheRate() {
        let forecast = DrainForecast(
            Question(rates: [Self.rate], places: 10, meanTime: .seconds(1), backlog: 1000))
        #expect(forecast.heldBy == .places)
        #expect(forecast.drained > .seconds(100) && forecast.drained < .milliseconds(100_200))
        let free = DrainForecast(Question(rates: [], places: 4, meanTime: .seconds(3), backlog: 8))
        #expect(free.lastStart == .seconds(3) && free.drained == .seconds(6))
    }

    @Test func whatHasNoAnswerSaysWhy() {
        #expect(Question(rates: [Self.rate], backlog: 0).problem != nil)
        #expect(Question(rates: [Self.rate], backlog: 1, weight: 21).problem?.hasPrefix("a burst of 20") == true)
        let slow = RateLimit(tokens: 5, per: .seconds(1), burst: 1)
        #expect(Question(rates: [slow], backlog: 1 << 40).problem?.hasPrefix("it would take") == true)
        #expect(Question(rates: [Self.rate], backlog: 10_000_000).problem == nil)
    }
}
