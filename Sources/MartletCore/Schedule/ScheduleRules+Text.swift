/// How policies are written in cluster.json and on the command line.
extension MissedRunPolicy {
    /// Reads `skip`, `latest`, `all` (the last 1,000) or `all:24`; nil if it is none of them.
    package init?(text: String) {
        switch text {
        case "skip": self = .skip
        case "latest": self = .latest
        case "all": self = .all(max: ScheduleRules.missedRunsMax)
        default:
            guard text.hasPrefix("all:"), let max = Int(text.dropFirst(4)),
                (1...ScheduleRules.missedRunsMax).contains(max)
            else { return nil }
            self = .all(max: max)
        }
    }

    package var text: String {
        switch self {
        case .skip: "skip"
        case .latest: "latest"
        case .all(let max): "all:\(max)"
        }
    }

    package static let textHelp = "skip, latest, all or all:COUNT with a count of 1 to 1000"
}

extension OverlapPolicy {
    package static let texts = ["allow", "skip", "queueOne"]

    package init?(text: String) {
        switch text {
        case "allow": self = .allow
        case "skip": self = .skip
        case "queueOne": self = .queueOne
        default: return nil
        }
    }

    package var text: String {
        switch self {
        case .allow: "allow"
        case .skip: "skip"
        case .queueOne: "queueOne"
        }
    }
}
