import CAllocationGauge
import MartletCore
import MartletWire

/// The frames of the hot path alone: nanoseconds a job to encode and to decode 200 jobs, payloads of 200 bytes, and to
/// go once through what was decoded.
///
/// Fails if a frame of so many jobs takes more than a few allocations. Only optimised code is that frugal.
@main
struct WireBenchmark {
    static let jobCount = 200
    static let framesPerRun = 5000
    /// The frame, the message's arrays, and the block that the frame becomes.
    static let allocationsMax = 4

    static func main() {
        let payload = Bytes(copying: [UInt8](repeating: 0x2A, count: 200))
        let ids = (1...UInt64(Self.jobCount)).map { JobID(rawValue: $0) }
        let epoch = Epoch(rawValue: 1)
        Self.measure(
            Submit(
                session: SessionID(high: 1, low: 2), sequence: 1, templates: [JobTemplate(type: "none", queue: "q")],
                jobs: ids.map { _ in Submit.Job(template: 0, payload: payload) })
        ) { $0.jobs.reduce(0) { $0 + $1.payload.count } }
        Self.measure(
            Delivery(
                number: 1, epoch: epoch,
                templates: [Delivery.Template(type: "none", queue: "q", timeout: .seconds(60))],
                jobs: ids.map {
                    Delivery.Job(id: $0, leaseSequence: $0.rawValue, attempt: 1, template: 0, payload: payload)
                })
        ) { $0.jobs.reduce(0) { $0 + $1.payload.count } }
        Self.measure(
            Report(
                key: 1, number: 1, lastDelivery: 1, creditTotal: 200, isDraining: false, isLast: false, running: [],
                items: ids.map {
                    Report.Item(
                        id: $0, token: LeaseToken(epoch: epoch, sequence: $0.rawValue), result: .succeeded)
                })
        ) { $0.items.reduce(0) { if case .succeeded = $1.result { $0 + 1 } else { $0 } } }
        Self.measure(ReportReply(number: 1, verdicts: ids.map { _ in .accepted })) {
            $0.verdicts.reduce(0) { if case .accepted = $1 { $0 + 1 } else { $0 } }
        }
    }

    /// Prints the best of five runs: the others measure what else the machine does.
    static func measure<M: Message>(_ message: M, use: (M) -> Int) {
        let clock = ContinuousClock()
        let frame = message.encoded()
        var encoding = Duration.seconds(60)
        var decoding = Duration.seconds(60)
        for _ in 0..<5 {
            encoding = min(
                encoding, clock.measure { for _ in 0..<Self.framesPerRun { precondition(!message.encoded().isEmpty) } })
            decoding = min(
                decoding,
                clock.measure {
                    for _ in 0..<Self.framesPerRun {
                        guard let decoded = try? M.decode(frame) else { fatalError("a frame cannot be read") }
                        precondition(use(decoded) > 0)
                    }
                })
        }
        let allocations = Self.allocations(message, frame)
        print(
            "\(M.kind): encode \(Self.perJob(encoding)) ns/job, decode \(Self.perJob(decoding)) ns/job,",
            "allocations a frame \(allocations.encoding) and \(allocations.decoding)")
        precondition(
            max(allocations.encoding, allocations.decoding) <= Self.allocationsMax, "an allocation for each job")
    }

    static func allocations<M: Message>(_ message: M, _ frame: Bytes) -> (encoding: Int, decoding: Int) {
        var encoding = 0
        var decoding = 0
        allocation_gauge_start()
        let encoded = message.encoded()
        _ = allocation_gauge_stop(&encoding)
        allocation_gauge_start()
        let decoded = try? M.decode(frame)
        _ = allocation_gauge_stop(&decoding)
        precondition(encoded == frame && decoded == message, "the codec is right")
        return (encoding, decoding)
    }

    static func perJob(_ elapsed: Duration) -> Double {
        // In tenths.
        Double(elapsed.wholeNanoseconds * 10 / Int64(Self.framesPerRun * Self.jobCount)) / 10
    }
}
