import Martlet
import MartletCore
import MartletSimulation
import MartletWire
import Testing

@Suite struct ServiceBudgetTests {
    private typealias Account = ServiceBudget.Account
    private static let maps = Account("maps")
    private static let now = Instant(nanoseconds: 1 << 40)

    private static func reply(
        _ number: UInt64, _ tokens: Int, place: Int = 0, heldFor: Duration = .zero
    ) -> Acquired {
        Acquired(
            number: number, heldFor: heldFor, validFor: .milliseconds(100),
            chunks: [.init(place: UInt32(place), tokens: UInt32(tokens))])
    }

    /// The tickets that have their tokens.
    private static func granted(_ verdicts: [ServiceBudget.Verdict]) -> [UInt64] {
        verdicts.filter { $0.problem == nil }.map(\.ticket)
    }

    @Test func callsThatWaitAreAskedForTogetherAndServedInOrder() {
        var budget = ServiceBudget()
        for (ticket, weight) in [(1, 3), (2, 1), (3, 4)] as [(UInt64, Int)] {
            #expect(budget.acquire(weight, of: Self.maps, ticket: ticket, at: Self.now) == .waits)
        }
        #expect(budget.hasNews)
        #expect(
            budget.ask(number: 1, at: Self.now) == [Acquire.Want(service: "maps", key: nil, least: 3, most: 8)])
        #expect(!budget.hasNews, "it is asked for")
        #expect(Self.granted(budget.received(Self.reply(1, 6), askedAt: Self.now, at: Self.now)) == [1, 2])
        #expect(
            budget.ask(number: 2, at: Self.now) == [Acquire.Want(service: "maps", key: nil, least: 2, most: 2)],
            "two are left of the chunk")
        #expect(Self.granted(budget.received(Self.reply(2, 2), askedAt: Self.now, at: Self.now)) == [3])
        budget.checkInvariants()
        #expect(budget.accountsCount == 0 && budget.ask(number: 3, at: Self.now) == nil)
    }

    @Test func whatIsLeftIsGoodForAShortTime() {
        var budget = ServiceBudget()
        _ = budget.acquire(1, of: Self.maps, ticket: 1, at: Self.now)
        _ = budget.ask(number: 1, at: Self.now)
        _ = budget.received(Self.reply(1, 5), askedAt: Self.now, at: Self.now + .milliseconds(2))
        #expect(budget.acquire(3, of: Self.maps, ticket: 2, at: Self.now + .milliseconds(99)) == .granted)
        #expect(budget.acquire(1, of: Self.maps, ticket: 3, at: Self.now + .milliseconds(100)) == .waits)
        budget.checkInvariants()
    }

    /// The node's clock may be slower than the coordinator's, and the answer may be long under way.
    @Test func tokensAreTakenForSpentTooEarlyNeverTooLate() {
        var budget = ServiceBudget()
        _ = budget.acquire(1, of: Self.maps, ticket: 1, at: Self.now)
        _ = budget.ask(number: 1, at: Self.now)
        let late = Self.now + .seconds(10) + .milliseconds(98)
        #expect(
            budget.received(Self.reply(1, 1, heldFor: .seconds(10)), askedAt: Self.now, at: late) == [],
            "of ten seconds, two milliseconds may be the clocks'")
        let want = Acquire.Want(service: "maps", key: nil, least: 1, most: 1)
        #expect(budget.ask(number: 2, at: late) == [want], "it is asked for again")
        _ = budget.received(Self.reply(2, 1, heldFor: .seconds(10)), askedAt: Self.now, at: late + .milliseconds(-1))
        #expect(budget.waitingCount == 0)
        budget.checkInvariants()
    }

    @Test func answersOfOtherRequestsGiveNothing() {
        var budget = ServiceBudget()
        _ = budget.acquire(1, of: Self.maps, ticket: 1, at: Self.now)
        _ = budget.ask(number: 1, at: Self.now)
        _ = budget.acquire(1, of: Account("stripe", key: "a"), ticket: 2, at: Self.now)
        #expect(budget.hasNews)
        let wants = budget.ask(number: 2, at: Self.now)
        #expect(wants?.map(\.service) == ["maps", "stripe"] && wants?[1].key == "a")
        #expect(budget.received(Self.reply(1, 5), askedAt: Self.now, at: Self.now).isEmpty, "superseded")
        #expect(budget.received(Self.reply(2, 5, place: 7), askedAt: Self.now, at: Self.now).isEmpty, "no such want")
        #expect(budget.received(Self.reply(2, 5, place: 1), askedAt: Self.now, at: Self.now).isEmpty, "it is over")
        _ = budget.ask(number: 3, at: Self.now)
        budget.forgetRequest()
        #expect(budget.hasNews)
        #expect(budget.received(Self.reply(3, 5), askedAt: Self.now, at: Self.now).isEmpty, "given up")
        budget.checkInvariants()
    }

    @Test func onlyTheFirstCallIsRefusedAndItMakesWay() {
        var budget = ServiceBudget()
        _ = budget.acquire(9, of: Self.maps, ticket: 1, at: Self.now)
        _ = budget.acquire(1, of: Self.maps, ticket: 2, at: Self.now)
        _ = budget.ask(number: 1, at: Self.now)
        let refusal = Acquired(
            number: 1, heldFor: .zero, validFor: .zero, chunks: [.init(place: 0, tokens: 0, problem: "too heavy")])
        let verdicts = budget.received(refusal, askedAt: Self.now, at: Self.now)
        #expect(verdicts.map(\.ticket) == [1] && verdicts.map(\.problem) == ["too heavy"])
        #expect(budget.ask(number: 2, at: Self.now)?.map(\.most) == [1])
        #expect(budget.refuseAll("old").map(\.ticket) == [2])
        #expect(budget.accountsCount == 0 && budget.ask(number: 3, at: Self.now) == nil)
        budget.checkInvariants()
    }

    @Test func cancelledCallLetsThoseBehindItGo() {
        var budget = ServiceBudget()
        _ = budget.acquire(1, of: Self.maps, ticket: 1, at: Self.now)
        _ = budget.acquire(5, of: Self.maps, ticket: 2, at: Self.now)
        _ = budget.acquire(2, of: Self.maps, ticket: 3, at: Self.now)
        _ = budget.ask(number: 1, at: Self.now)
        #expect(Self.granted(budget.received(Self.reply(1, 3), askedAt: Self.now, at: Self.now)) == [1])
        #expect(Self.granted(budget.cancel(2, at: Self.now)) == [3])
        #expect(budget.cancel(2, at: Self.now).isEmpty)
        budget.checkInvariants()
    }

    /// What was asked for it would be granted, and spent for nothing.
    @Test func whatACancelledCallWantedIsAskedForNoLonger() {
        var budget = ServiceBudget()
        _ = budget.acquire(1, of: Self.maps, ticket: 1, at: Self.now)
        _ = budget.acquire(5, of: Self.maps, ticket: 2, at: Self.now)
        _ = budget.ask(number: 1, at: Self.now)
        _ = budget.cancel(2, at: Self.now)
        #expect(budget.hasNews)
        #expect(budget.ask(number: 2, at: Self.now)?.map(\.most) == [1] && !budget.hasNews)
        _ = budget.cancel(1, at: Self.now)
        #expect(budget.hasNews)
        budget.forgetRequest()
        #expect(budget.ask(number: 3, at: Self.now) == [], "nothing is wanted: the request is withdrawn")
        #expect(!budget.hasNews)
        budget.forgetRequest()
        #expect(budget.ask(number: 4, at: Self.now) == [], "until it is answered")
        let answer = Acquired(number: 4, heldFor: .zero, validFor: .zero, chunks: [])
        _ = budget.received(answer, askedAt: Self.now, at: Self.now)
        #expect(budget.ask(number: 5, at: Self.now) == nil)
        budget.checkInvariants()
    }

    @Test func callsThatWaitAndWantsOfARequestAreBounded() {
        var budget = ServiceBudget()
        for ticket in 1...ServiceBudget.waitersMax {
            let account = Account("s", key: "\(ticket % 100)")
            #expect(budget.acquire(1, of: account, ticket: UInt64(ticket), at: Self.now) == .waits)
        }
        #expect(budget.acquire(1, of: Self.maps, ticket: .max, at: Self.now) == .full)
        let wants = budget.ask(number: 1, at: Self.now)
        #expect(wants?.count == Acquire.wantsMax && wants?.first?.key == "1", "those that wait longest")
        #expect(!budget.hasNews, "no request would ask for more")
        budget.checkInvariants()
    }

    /// Whatever is asked, answered, lost and cancelled: no token is used twice, or after its time.
    @Test(arguments: 1...100 as ClosedRange<UInt64>)
    func noTokenIsUsedTwiceOrTooLate(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var budget = ServiceBudget()
        var now = Self.now
        var lastTicket: UInt64 = 0
        var number: UInt64 = 0
        var request: (number: UInt64, wants: [Acquire.Want], at: Instant)?
        var weights: [UInt64: Int] = [:]
        /// Tokens by the time until which they are good.
        var there: [(until: Instant, tokens: Int)] = []
        var used = 0

        func use(_ tokens: Int) {
            there.removeAll { $0.until <= now }
            used += tokens
            var left = tokens
            while left > 0, let first = there.first {
                let taken = min(left, first.tokens)
                left -= taken
                if taken == first.tokens { there.removeFirst() } else { there[0].tokens -= taken }
            }
            #expect(left == 0, "every token that is used was granted a short time ago")
        }
        for _ in 0..<2000 {
            now = now + .microseconds(random.below(20_000))
            switch random.below(6) {
            case 0, 1:
                lastTicket += 1
                let weight = 1 + random.below(5)
                let answer = budget.acquire(weight, of: Self.maps, ticket: lastTicket, at: now)
                if answer == .granted { use(weight) } else { weights[lastTicket] = weight }
            case 2:
                let verdicts = budget.cancel(1 + random.next() % max(1, lastTicket), at: now)
                for verdict in verdicts { use(weights[verdict.ticket]!) }
            case 3 where request == nil || random.below(5) == 0:
                number += 1
                request = budget.ask(number: number, at: now).flatMap { $0.isEmpty ? nil : (number, $0, now) }
            case 4:
                guard let asked = request else { break }
                request = nil
                // Granted at some time between the question and now.
                let heldFor = Duration.nanoseconds(Int64(random.unit() * Double((now - asked.at).wholeNanoseconds)))
                let tokens =
                    Int(asked.wants[0].least) + random.below(Int(asked.wants[0].most - asked.wants[0].least + 1))
                there.append((asked.at + heldFor + .milliseconds(100), tokens))
                if random.below(4) == 0 {
                    budget.forgetRequest()
                    there.removeLast()
                    break
                }
                let reply = Self.reply(asked.number, tokens, heldFor: heldFor)
                for verdict in budget.received(reply, askedAt: asked.at, at: now) { use(weights[verdict.ticket]!) }
            default: break
            }
            budget.checkInvariants()
        }
        #expect(used > 100)
    }
}
