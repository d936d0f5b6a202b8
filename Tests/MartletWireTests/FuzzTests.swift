import CAllocationGauge
import MartletCore
import MartletWire
import Testing

/// Whatever arrives, decoding ends with a message or a ``WireError``. A request, which a stranger may have sent, never
/// allocates more than its own size; a reply in proportion to it. What was decoded can be read to its end.
@Suite struct FuzzTests {
    static let roundsPerSample = 2000

    /// For the texts of errors, and for what a message always needs.
    static let overheadMax = 512

    /// Decodes as the coordinator does, and as the sample's own kind, and checks what that allocates.
    ///
    /// A record of a reply is at least a sixth of what it becomes in memory. Of a request nothing is made but slices of
    /// the frame and single names, so even all that is held at one time is no more than the frame.
    ///
    /// What goes over the bound is measured again: the runtime has caches that grow in whatever thread is the next to
    /// look something up, once. A decoder that takes too much does so each time.
    static func decode(_ frame: Bytes, like sample: Sample) {
        var outcome = Self.outcome(of: frame, like: sample)
        for _ in 0..<3 where Self.isTooMuch(outcome, for: frame, like: sample) {
            outcome = Self.outcome(of: frame, like: sample)
        }
        // An #expect for each of some hundred thousand cases would take most of the time.
        if Self.isTooMuch(outcome, for: frame, like: sample) {
            Issue.record(
                """
                \(sample.name): allocated \(outcome.largest) and held \(outcome.held) for a frame of \(frame.count): \
                \(frame.array)
                """)
        }
        if outcome.isValid { sample.readToTheEnd(frame) }
    }

    typealias Outcome = (isValid: Bool, largest: Int, held: Int)

    private static func isTooMuch(_ outcome: Outcome, for frame: Bytes, like sample: Sample) -> Bool {
        if sample.isRequest { return max(outcome.largest, outcome.held) > frame.count + Self.overheadMax }
        return outcome.largest / 6 > frame.count + Self.overheadMax / 6
    }

    static func outcome(of frame: Bytes, like sample: Sample) -> Outcome {
        var isValid = true
        var count = 0
        allocation_gauge_start()
        do throws(WireError) { _ = try Request.decode(frame) } catch {}
        do throws(WireError) { try sample.tryDecoding(frame) } catch { isValid = false }
        let largest = allocation_gauge_stop(&count)
        return (isValid, largest, allocation_gauge_peak())
    }

    @Test func theGaugeSeesAllocations() {
        guard allocation_gauge_works() else { return }
        allocation_gauge_start()
        let array = [UInt8](unsafeUninitializedCapacity: 100_000) { _, count in count = 0 }
        var count = 0
        let largest = allocation_gauge_stop(&count)
        withExtendedLifetime(array) {}
        #expect(count >= 1 && largest >= 100_000)
    }

    @Test func theGaugeSeesWhatIsHeldAtOneTime() {
        guard allocation_gauge_works() else { return }
        var count = 0
        func allocate() -> [UInt8] { [UInt8](unsafeUninitializedCapacity: 100_000) { _, count in count = 0 } }
        allocation_gauge_start()
        for _ in 0..<5 { withExtendedLifetime(allocate()) {} }
        _ = allocation_gauge_stop(&count)
        let oneByOne = allocation_gauge_peak()
        allocation_gauge_start()
        let all = (0..<5).map { _ in allocate() }
        _ = allocation_gauge_stop(&count)
        withExtendedLifetime(all) {}
        #expect((100_000..<200_000).contains(oneByOne) && allocation_gauge_peak() >= 500_000)
    }

    @Test(arguments: Sample.all)
    func aFrameCutShortAnywhereIsRefused(sample: Sample) {
        let bytes = sample.frame.array
        for length in 0..<bytes.count {
            let outcome = Self.outcome(of: Bytes(copying: bytes[0..<length]), like: sample)
            if outcome.isValid { Issue.record("\(sample.name) cut to \(length) bytes is still a frame") }
        }
    }

    @Test(arguments: Sample.all)
    func anyBitMayFlip(sample: Sample) {
        let bytes = sample.frame.array
        for bit in 0..<bytes.count * 8 {
            var flipped = bytes
            flipped[bit / 8] ^= 1 << (bit % 8)
            Self.decode(Bytes(copying: flipped), like: sample)
        }
    }

    /// Every four bytes may be a length or a count: each takes the values at which bounds go wrong.
    @Test(arguments: Sample.all)
    func anyLengthMayLie(sample: Sample) {
        let bytes = sample.frame.array
        let left = bytes.count
        let lies = [0, 1, left - 1, left, left + 1, 0xFFFF, 0x1_0000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF]
        for offset in 0...max(0, bytes.count - 4) {
            for lie in lies {
                var lying = bytes
                lying.replaceSubrange(offset..<offset + 4, with: FrameParts.littleEndian(lie))
                Self.decode(Bytes(copying: lying), like: sample)
            }
        }
    }

    /// A count with all of its bits set would reserve gigabytes if it were believed.
    @Test(arguments: Sample.all)
    func aLyingFramingLengthIsRefused(sample: Sample) {
        for offset in FrameParts.lengthOffsets(of: sample.frame) {
            var lying = sample.frame.array
            lying.replaceSubrange(offset..<offset + 4, with: FrameParts.littleEndian(0xFFFF_FFF0))
            #expect(!Self.outcome(of: Bytes(copying: lying), like: sample).isValid)
        }
    }

    @Test(arguments: Sample.all)
    func randomDamageIsSurvived(sample: Sample) {
        var random = SplitMix(state: UInt64(sample.kind.rawValue) &* 0x9E37_79B9)
        for _ in 0..<Self.roundsPerSample {
            var bytes = sample.frame.array
            for _ in 0...random.below(4) { Self.damage(&bytes, using: &random) }
            Self.decode(Bytes(copying: bytes), like: sample)
        }
    }

    /// Random bytes behind a header that is right, so that they reach the records.
    @Test(arguments: Sample.all)
    func randomRecordsAreSurvived(sample: Sample) {
        var random = SplitMix(state: UInt64(sample.kind.rawValue) &* 0x85EB_CA6B)
        for round in 0..<Self.roundsPerSample {
            var parts = FrameParts(sample.frame)
            if round % 2 == 0 { parts.records = [] }
            for _ in 0..<random.below(6) {
                parts.records.append((0..<random.below(100)).map { _ in random.interestingByte() })
            }
            Self.decode(parts.frame, like: sample)
        }
    }

    @Test func randomBytesAreSurvived() {
        var random = SplitMix(state: 7)
        for _ in 0..<20_000 {
            let bytes = (0..<random.below(200)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            Self.decode(Bytes(copying: bytes), like: Sample.all[0])
        }
    }

    static func damage(_ bytes: inout [UInt8], using random: inout SplitMix) {
        guard !bytes.isEmpty else { return }
        let place = random.below(bytes.count)
        switch random.below(6) {
        case 0: bytes[place] ^= 1 << random.below(8)
        case 1: bytes[place] = random.interestingByte()
        case 2: bytes.removeSubrange(place...)
        case 3: bytes.insert(contentsOf: (0..<random.below(9)).map { _ in random.interestingByte() }, at: place)
        case 4: bytes.removeSubrange(place..<min(bytes.count, place + random.below(9)))
        default: bytes += bytes[place...]
        }
    }
}

/// A seeded source of numbers: the same cases at every run.
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var z = self.state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int(self.next() % UInt64(bound)) }

    /// Mostly the values at which counts, lengths and cases change their meaning.
    mutating func interestingByte() -> UInt8 {
        let all: [UInt8] = [0, 0, 0, 1, 1, 2, 3, 4, 0x7F, 0x80, 0xFF, 0xFF]
        return self.below(3) == 0 ? UInt8(truncatingIfNeeded: self.next()) : all[self.below(all.count)]
    }
}
