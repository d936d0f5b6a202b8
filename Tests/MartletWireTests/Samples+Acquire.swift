import MartletCore
import MartletWire

/// Services that are unavailable, and tokens for calls inside of jobs.
extension Sample {
    static let acquisitions = [
        Sample(
            "report-unavailable",
            Report(
                key: 0x99, number: 15, lastDelivery: 7, creditTotal: 300, isDraining: false, isLast: false, running: [],
                items: [
                    Report.Item(
                        id: JobID(shard: 1, sequence: 42), token: Samples.token,
                        result: .unavailable(service: "stripe", retryAfter: .seconds(30))),
                    Report.Item(
                        id: JobID(shard: 1, sequence: 43), token: Samples.token,
                        result: .unavailable(service: nil, retryAfter: nil)),
                ])),
        Sample(
            "acquire",
            Acquire(
                key: 0x99, number: 3,
                wants: [
                    Acquire.Want(service: "maps", key: nil, least: 3, most: 40),
                    Acquire.Want(service: "stripe", key: "tenant-7", least: 1, most: 1),
                ])),
        Sample(
            "acquired",
            Acquired(
                number: 3, heldFor: .milliseconds(12), validFor: .milliseconds(100),
                chunks: [
                    Acquired.Chunk(place: 0, tokens: 17),
                    Acquired.Chunk(place: 1, tokens: 0, problem: "there is no service \"stripe\""),
                ])),
        Sample("acquired-nothing", Acquired(number: 2, heldFor: .seconds(5), validFor: .zero, chunks: [])),
    ]
}
