package import MartletCore
package import MartletWire

/// Tokens of services that this node was given for calls that handlers make while they run, and the calls that wait.
///
/// A pure value. Tokens come in chunks that are good for a short time after their grant; what is left of one then counts
/// as spent, here as at the coordinator, and nothing goes back: so a node that dies with a chunk harms nobody. A chunk is
/// as large as what waits, so that little is ever left.
package struct ServiceBudget: Sendable {
    /// A service, or one key of it.
    package struct Account: Hashable, Comparable, Sendable {
        package let service: String
        package let key: String?

        package init(_ service: String, key: String? = nil) {
            self.service = service
            self.key = key
        }

        package static func < (a: Self, b: Self) -> Bool {
            a.service == b.service
                ? (a.key ?? "", a.key == nil ? 0 : 1) < (b.key ?? "", b.key == nil ? 0 : 1)
                : a.service < b.service
        }
    }

    package enum Answer: Hashable, Sendable {
        case granted
        /// Granted or refused by a later ``received(_:askedAt:at:)``.
        case waits
        /// As many calls wait as may.
        case full
    }

    /// What became of a call that waited.
    package struct Verdict: Hashable, Sendable {
        package let ticket: UInt64
        /// Nil: it has its tokens.
        package let problem: String?
    }

    private struct Waiter: Sendable {
        let ticket: UInt64
        let weight: Int
    }

    private struct Chunk: Sendable {
        var tokens: Int
        let goodUntil: Instant
    }

    private struct Line: Sendable {
        var waiters: [Waiter] = []
        /// In the order in which they came, so about that of their ends.
        var chunks: [Chunk] = []
        var wanted: Int { self.waiters.reduce(0) { $0 + $1.weight } }
    }

    /// Calls that wait at once.
    package static let waitersMax = 16_384
    /// Tokens in a chunk, unless one call needs more.
    package static let chunkMax = 1024
    /// The drift of two clocks that is allowed for, as a fraction: 200 in a million.
    private static let driftFraction = 5000

    private var lines: [Account: Line] = [:]
    private var accounts: [UInt64: Account] = [:]
    /// What the request under way asks for, in its order.
    private var asked: [(account: Account, most: Int)]?
    private var askedNumber: UInt64 = 0
    /// A request may be parked at the coordinator that would be granted tokens.
    private var isParked = false

    package init() {}

    package var waitingCount: Int { self.accounts.count }
    /// Whether a request is to be sent though one may be under way: something waits that it does not ask for, or it asks
    /// for what nobody wants any more, which would be spent for nothing.
    package var hasNews: Bool {
        guard let asked else { return !self.accounts.isEmpty }
        if asked.contains(where: { $0.most > self.missing($0.account) }) { return true }
        guard asked.count < Acquire.wantsMax else { return false }
        return self.lines.contains { account, line in
            !line.waiters.isEmpty && !asked.contains { $0.account == account }
        }
    }

    /// Tokens that calls wait for, beyond those that are there.
    private func missing(_ account: Account) -> Int {
        guard let line = self.lines[account] else { return 0 }
        return line.wanted - line.chunks.reduce(0) { $0 + $1.tokens }
    }

    /// A call wants tokens. Those that wait for the same are served before it.
    package mutating func acquire(_ weight: Int, of account: Account, ticket: UInt64, at now: Instant) -> Answer {
        precondition(weight > 0, "a call takes something")
        precondition(self.accounts[ticket] == nil, "a ticket is used once")
        self.dropSpent(account, at: now)
        var line = self.lines[account] ?? Line()
        if line.waiters.isEmpty, Self.take(weight, from: &line.chunks) {
            self.keep(line, as: account)
            return .granted
        }
        guard self.accounts.count < Self.waitersMax else { return .full }
        line.waiters.append(Waiter(ticket: ticket, weight: weight))
        self.lines[account] = line
        self.accounts[ticket] = account
        return .waits
    }

    /// A call does not want its tokens any more. No effect if it does not wait.
    ///
    /// - Returns: those that have theirs because it stood before them.
    package mutating func cancel(_ ticket: UInt64, at now: Instant) -> [Verdict] {
        guard let account = self.accounts.removeValue(forKey: ticket) else { return [] }
        self.lines[account]!.waiters.removeAll { $0.ticket == ticket }
        return self.serve(account, at: now)
    }

    /// Refuses all that wait.
    package mutating func refuseAll(_ problem: String) -> [Verdict] {
        let tickets = self.accounts.keys.sorted()
        self.accounts = [:]
        self.asked = nil
        self.isParked = false
        for account in self.lines.keys { self.lines[account]!.waiters = [] }
        self.lines = self.lines.filter { !$0.value.chunks.isEmpty }
        return tickets.map { Verdict(ticket: $0, problem: problem) }
    }

    // MARK: Requests

    /// What to ask the coordinator for; nil for nothing. Takes the place of one that is parked there; if it is empty, that is
    /// all it does.
    package mutating func ask(number: UInt64, at now: Instant) -> [Acquire.Want]? {
        var wants: [Acquire.Want] = []
        self.asked = nil
        var asked: [(account: Account, most: Int)] = []
        // Those whose calls have waited longest first, so that none is left out for ever.
        let waiting = self.lines.compactMap { account, line in line.waiters.first.map { (account, $0.ticket) } }
        for (account, _) in waiting.sorted(by: { $0.1 < $1.1 }).prefix(Acquire.wantsMax) {
            self.dropSpent(account, at: now)
            let line = self.lines[account]!
            let there = line.chunks.reduce(0) { $0 + $1.tokens }
            let least = line.waiters[0].weight - there
            precondition(least > 0, "what can be served does not wait")
            let most = max(least, min(line.wanted - there, Self.chunkMax))
            asked.append((account, most))
            wants.append(
                Acquire.Want(
                    service: account.service, key: account.key, least: UInt32(clamping: least),
                    most: UInt32(clamping: most)))
        }
        guard !wants.isEmpty || self.isParked else { return nil }
        self.isParked = true
        self.asked = asked
        self.askedNumber = number
        return wants
    }

    /// The request got no answer that counts: what it may have been granted is spent.
    package mutating func forgetRequest() { self.asked = nil }

    /// Tokens have come, for a request that was sent at `askedAt` on this node's clock.
    ///
    /// They were granted `heldFor` after that at the earliest, so by this clock they may be taken for spent too early,
    /// never too late.
    package mutating func received(_ reply: Acquired, askedAt: Instant, at now: Instant) -> [Verdict] {
        guard let asked, reply.number == self.askedNumber else { return [] }
        self.asked = nil
        self.isParked = false
        self.sweep(at: now)
        let good = reply.heldFor + reply.validFor
        let goodUntil = askedAt + (good - good / Self.driftFraction)
        var verdicts: [Verdict] = []
        for chunk in reply.chunks where chunk.place < asked.count {
            let account = asked[Int(chunk.place)].account
            guard self.lines[account] != nil else { continue }
            if !chunk.problem.isEmpty {
                verdicts += self.refuse(account, chunk.problem)
            } else if chunk.tokens > 0 {
                self.lines[account]!.chunks.append(Chunk(tokens: Int(chunk.tokens), goodUntil: goodUntil))
            }
            verdicts += self.serve(account, at: now)
        }
        return verdicts
    }

    /// The first call of an account will never be served: its weight, or the service, is not there.
    private mutating func refuse(_ account: Account, _ problem: String) -> [Verdict] {
        guard var line = self.lines[account], let first = line.waiters.first else { return [] }
        line.waiters.removeFirst()
        self.accounts[first.ticket] = nil
        self.keep(line, as: account)
        return [Verdict(ticket: first.ticket, problem: problem)]
    }

    private mutating func serve(_ account: Account, at now: Instant) -> [Verdict] {
        self.dropSpent(account, at: now)
        guard var line = self.lines[account] else { return [] }
        var verdicts: [Verdict] = []
        var served = 0
        while served < line.waiters.count, Self.take(line.waiters[served].weight, from: &line.chunks) {
            self.accounts[line.waiters[served].ticket] = nil
            verdicts.append(Verdict(ticket: line.waiters[served].ticket, problem: nil))
            served += 1
        }
        line.waiters.removeFirst(served)
        self.keep(line, as: account)
        return verdicts
    }

    /// From the oldest on. Nothing if there are not enough.
    private static func take(_ weight: Int, from chunks: inout [Chunk]) -> Bool {
        guard chunks.reduce(0, { $0 + $1.tokens }) >= weight else { return false }
        var left = weight
        while left > 0 {
            let taken = min(left, chunks[0].tokens)
            chunks[0].tokens -= taken
            left -= taken
            if chunks[0].tokens == 0 { chunks.removeFirst() }
        }
        return true
    }

    private mutating func dropSpent(_ account: Account, at now: Instant) {
        guard var line = self.lines[account], line.chunks.contains(where: { $0.goodUntil <= now }) else { return }
        line.chunks.removeAll { $0.goodUntil <= now }
        self.keep(line, as: account)
    }

    private mutating func keep(_ line: Line, as account: Account) {
        self.lines[account] = line.waiters.isEmpty && line.chunks.isEmpty ? nil : line
    }

    /// Forgets what is spent, so that a service that nobody asks for any more takes no memory.
    private mutating func sweep(at now: Instant) {
        for account in self.lines.keys.sorted() { self.dropSpent(account, at: now) }
    }

    package var accountsCount: Int { self.lines.count }

    package func checkInvariants() {
        var tickets: Set<UInt64> = []
        for (account, line) in self.lines {
            precondition(!line.waiters.isEmpty || !line.chunks.isEmpty, "an account is there for something")
            for waiter in line.waiters {
                precondition(tickets.insert(waiter.ticket).inserted, "a call waits once")
                precondition(self.accounts[waiter.ticket] == account, "a call is where its ticket says")
            }
            precondition(line.chunks.allSatisfy { $0.tokens > 0 }, "nothing empty is kept")
        }
        precondition(tickets.count == self.accounts.count, "no ticket without a call")
        precondition(self.accounts.count <= Self.waitersMax, "calls that wait are bounded")
    }
}
