import MartletCore

extension JobTraits {
    static func sample(
        lane: Int = 0, key: LaneKey = LaneKey(queue: "mail", type: "Send"), share: LaneShare? = nil,
        timeout: Duration = .seconds(60), retry: RetryPolicy = .standard
    ) -> JobTraits {
        var options = JobOptions.standard
        if let share {
            options.group = share.group.isEmpty ? nil : share.group
            options.key = share.key.isEmpty ? nil : share.key
            options.isOrdered = share.isOrdered
            options.services = share.services?.value
        }
        return JobTraits(
            lane: LaneID(rawValue: UInt32(lane)), key: key, options: options, timeout: timeout, retry: retry)
    }
}

extension QueuedJob {
    static func sample(
        _ id: UInt64, traits: JobTraits = .sample(), failures: UInt16 = 0, nodeDeaths: UInt8 = 0, bytes: Int = 3
    ) -> QueuedJob {
        QueuedJob(
            id: JobID(rawValue: id),
            body: JobBody(
                traits: traits, payload: Bytes(copying: [UInt8](repeating: 7, count: bytes)),
                history: JobHistory(failures: failures, nodeDeaths: nodeDeaths)))
    }
}

extension Instant {
    static func seconds(_ seconds: Double) -> Instant { Instant(nanoseconds: 1_000_000_000_000) + .seconds(seconds) }
}
