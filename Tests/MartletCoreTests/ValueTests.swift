import MartletCore
import Testing

@Suite struct ValueTests {
    // MARK: Names and ids

    @Test(arguments: [
        ("send-mail", true), ("a", true), ("A.b_c-d:e/f9", true), ("", false), ("a b", false), ("ä", false),
        ("a\u{0}", false), (String(repeating: "x", count: 128), true), (String(repeating: "x", count: 129), false),
    ])
    func namesKeepToTheirRule(name: String, isFine: Bool) {
        #expect((NameRule.problem(name) == nil) == isFine)
    }

    @Test func jobIDHoldsShardAndSequenceAndFitsASignedColumn() {
        let id = JobID(shard: 32_767, sequence: 1 << 48 - 1)
        #expect(id.shard == 32_767 && id.sequence == 1 << 48 - 1)
        #expect(Int64(exactly: id.rawValue) != nil)
        #expect(JobID(shard: 1, sequence: 0) > JobID(shard: 0, sequence: 1 << 48 - 1))
        #expect(JobID(shard: 2, sequence: 5).advanced(by: 3) == JobID(shard: 2, sequence: 8))
        #expect(JobID(shard: 0, sequence: 42).description == "42")
    }

    @Test func laterLeaseHasTheHigherToken() {
        let old = LeaseToken(epoch: Epoch(rawValue: 1), sequence: 900)
        let new = LeaseToken(epoch: Epoch(rawValue: 2), sequence: 1)
        #expect(old < new && LeaseToken(epoch: Epoch(rawValue: 2), sequence: 2) > new)
    }

    @Test func leaseSequencesAreHandedOutOnce() {
        var sequences = LeaseSequence()
        #expect(sequences.take(3) == 1)
        #expect(sequences.take(1) == 4)
        #expect(sequences.take(0) == 5)
        #expect(sequences.take(1) == 5)
    }

    @Test func prioritiesEndAtNine() {
        #expect(Priority(rawValue: 9) == .highest && Priority(rawValue: 10) == nil)
        #expect(Priority.lowest < .normal && Priority.normal < .highest)
    }

    @Test func lanesAreNumberedInOrderOfFirstUseUpToTheirBound() {
        let keys = (0..<4).map { LaneKey(queue: "q", type: "T\($0)") }
        var table = LaneTable(lanesMax: 3, recovered: [keys[1]])
        #expect(table.intern(keys[0])?.rawValue == 1 && table.intern(keys[1])?.rawValue == 0)
        #expect(table.intern(keys[2])?.rawValue == 2)
        #expect(table.intern(keys[3]) == nil && table.id(of: keys[3]) == nil)
        #expect(table.intern(keys[2])?.rawValue == 2 && table[LaneID(rawValue: 2)] == keys[2])
        #expect(LaneTable(lanesMax: 1, recovered: keys).keys == keys)
    }

    @Test func statesThatNeverRunAgainAreTerminal() {
        #expect(JobState.allCases.filter(\.isTerminal) == [.succeeded, .dead, .cancelled, .expired])
    }

    @Test func nodeServesItsTypesInItsQueues() {
        let all = NodeService(queues: [], types: ["B", "A"])
        #expect(all.serves(LaneKey(queue: "any", type: "A")) && !all.serves(LaneKey(queue: "any", type: "C")))
        let some = NodeService(queues: ["q"], types: ["A", "B"])
        #expect(some.serves(LaneKey(queue: "q", type: "B")) && !some.serves(LaneKey(queue: "p", type: "B")))
        #expect(all == NodeService(queues: [], types: ["A", "B"]) && all != some)
    }

    // MARK: Texts of failures

    @Test func failureTextsAreCutAtACharacter() {
        let short = JobFailure(kind: "Timeout", message: "took too long")
        #expect(short.kind == "Timeout" && short.message == "took too long")
        for filler in 0..<8 {
            let text = String(repeating: "x", count: filler) + String(repeating: "👩‍👩‍👧é", count: 400)
            let cut = JobFailure(kind: text, message: text)
            #expect(cut.kind.utf8.count <= JobFailure.kindBytesMax && text.hasPrefix(cut.kind))
            #expect(cut.message.utf8.count <= JobFailure.messageBytesMax && text.hasPrefix(cut.message))
            #expect(cut.kind.utf8.count > JobFailure.kindBytesMax - 25)
            #expect(cut.message.utf8.count > JobFailure.messageBytesMax - 25)
        }
    }

    // MARK: Time

    @Test func instantsSaturateAtBothEnds() {
        let zero = Instant(nanoseconds: 0)
        #expect(Instant.distantFuture + .seconds(1) == .distantFuture)
        #expect(zero + .seconds(-1) == zero)
        #expect(zero + .seconds(Int64.max) == Instant(nanoseconds: UInt64(Int64.max)))
        #expect(Instant.distantFuture - zero == .nanoseconds(Int64.max))
        #expect(zero - .distantFuture == .nanoseconds(-Int64.max))
        #expect(Instant(nanoseconds: 5) + .nanoseconds(-3) == Instant(nanoseconds: 2))
        #expect(Instant(nanoseconds: 5) - Instant(nanoseconds: 8) == .nanoseconds(-3))
    }

    @Test func wallTimesSaturateAtBothEnds() {
        let last = WallTime(microseconds: .max)
        let first = WallTime(microseconds: .min)
        #expect(last + .seconds(1) == last && first + .seconds(-1) == first && first - .seconds(1) == first)
        #expect(last - first == .microseconds(Int64.max) && first - last == .microseconds(Int64.min))
        #expect(WallTime(microseconds: 3) - WallTime(microseconds: 5) == .microseconds(-2))
        #expect(WallTime(microseconds: 3) + .milliseconds(2) == WallTime(microseconds: 2003))
        #expect(WallTime(microseconds: 0) + .seconds(Int64.max) == last)
    }

    @Test func durationsAreTruncatedAndClamped() {
        #expect(
            Duration.nanoseconds(1999).wholeMicroseconds == 1 && Duration.nanoseconds(-1999).wholeMicroseconds == -1)
        #expect(Duration.seconds(Int64.max).wholeNanoseconds == .max)
        #expect(Duration.seconds(Int64.min).wholeMicroseconds == .min)
        #expect(Duration.microseconds(2500).wholeMilliseconds == 2)
        #expect(Duration.seconds(-2).wholeNanoseconds == -2_000_000_000)
    }
}
