import MartletCore
import MartletStore

/// The jobs that a completion brings with it.
enum FollowUps {
    /// Why a completion cannot be accepted with what it brings, or nil if it can.
    static func problem(with completion: Completion, lanes: LaneDirectory, payloadMax: Int) -> String? {
        if let result = completion.result, result.count > payloadMax {
            return "the result has \(result.count) bytes; the limit is \(payloadMax)"
        }
        for (place, followUp) in completion.followUps.enumerated() {
            if followUp.payload.count > payloadMax {
                return "follow-up \(place) has \(followUp.payload.count) bytes; the limit is \(payloadMax)"
            }
            let options = followUp.template.options
            if let problem = options.problem ?? lanes.serviceProblem(of: options) {
                return "follow-up \(place): \(problem)"
            }
            guard lanes.traits(of: followUp.template) != nil else {
                return "follow-up \(place) would need another lane; the limit is limits.lanesMax"
            }
        }
        return nil
    }

    /// New jobs, for the transaction that accepts the completion.
    ///
    /// - Precondition: nothing is wrong with it, see ``problem(with:lanes:payloadMax:)``.
    static func jobs(of completion: Completion, lanes: LaneDirectory, at now: WallTime) -> [NewJob] {
        completion.followUps.map { followUp in
            guard let traits = lanes.traits(of: followUp.template) else {
                preconditionFailure("a lane that was there stays")
            }
            let due = followUp.delay > .zero ? now + followUp.delay : nil
            return NewJob(lane: traits.lane, options: traits.options, payload: followUp.payload, due: due)
        }
    }
}
