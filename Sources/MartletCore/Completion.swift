/// What a handler that succeeded leaves beside its success. Shared by its copies.
package final class Completion: Hashable, Sendable {
    /// What it returned; kept as long as the job.
    package let result: Bytes?
    /// Jobs that come into being with this completion, and only with it.
    package let followUps: [FollowUp]

    package struct FollowUp: Hashable, Sendable {
        package let template: JobTemplate
        package let payload: Bytes
        /// How long it waits before it may run; zero not at all. Counted from when the completion is accepted.
        package let delay: Duration

        package init(template: JobTemplate, payload: Bytes, delay: Duration) {
            self.template = template
            self.payload = payload
            self.delay = delay
        }
    }

    package static let followUpsMax = 1000
    /// Payloads and result of one completion together.
    package static let bytesMax = 1 << 20

    package init(result: Bytes? = nil, followUps: [FollowUp] = []) {
        self.result = result
        self.followUps = followUps
    }

    package var bytesCount: Int {
        self.followUps.reduce(self.result?.count ?? 0) { $0 + $1.payload.count + 64 }
    }

    package static func == (a: Completion, b: Completion) -> Bool {
        a === b || (a.result == b.result && a.followUps == b.followUps)
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(self.result)
        hasher.combine(self.followUps)
    }
}

/// What a coordinator, or its peer, can do beyond version 0.1.0.
package struct PeerFeatures: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Options of a job beyond priority, time-out and retry policy.
    package static let rareOptions = PeerFeatures(rawValue: 1 << 0)
    /// Results, follow-ups, checkpoints, progress and captured output in reports.
    package static let completions = PeerFeatures(rawValue: 1 << 1)
    /// The result `unavailable` in reports, and requests for tokens of services.
    package static let services = PeerFeatures(rawValue: 1 << 2)
    /// Asks for jobs back that have not been started, and wants to hear in reports how long jobs take.
    package static let stealing = PeerFeatures(rawValue: 1 << 3)

    package static let current: PeerFeatures = [.rareOptions, .completions, .services, .stealing]
}
