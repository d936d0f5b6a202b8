/// What one job of a workflow makes of the end of another one that it waits for.
public enum DependencyKind: UInt8, Hashable, Sendable, CaseIterable {
    /// It goes on if the other one succeeded, and is cancelled if that ended otherwise.
    case onSuccess = 1
    /// It goes on however the other one ended.
    case onEnd = 2
    /// It goes on if the other one did not succeed, to make up for that; otherwise it is cancelled as not needed.
    case onFailure = 3

    /// Whether a job that waits so may go on when the other one has ended in this state.
    package func isMet(by state: JobState) -> Bool {
        switch self {
        case .onSuccess: state == .succeeded
        case .onEnd: true
        case .onFailure: state != .succeeded
        }
    }
}

extension JobFailure {
    /// The kind of those that were cancelled because a job that they waited for did not succeed.
    package static let parentFailedKind = "parent failed"
    /// The kind of those that were cancelled because what they would have made up for did not happen.
    package static let notNeededKind = "not needed"

    /// Why a job is cancelled that waited for another one in vain.
    package init(of kind: DependencyKind, parent: JobID, name: String, endedAs state: JobState) {
        let who = name.isEmpty ? "job \(parent)" : "\(name) (job \(parent))"
        switch kind {
        case .onSuccess, .onEnd: self.init(kind: Self.parentFailedKind, message: "\(who) ended as \(state)")
        case .onFailure: self.init(kind: Self.notNeededKind, message: "\(who) succeeded")
        }
    }
}
