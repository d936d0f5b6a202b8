import MartletCore
import MartletWire

/// A job in a slot.
struct HeldJob: Sendable {
    let id: JobID
    var token: LeaseToken
    /// False once its lease has ended, while the others of its batch go on.
    var isOurs = true

    func item(_ result: Report.Item.Result) -> Report.Item {
        Report.Item(id: self.id, token: self.token, result: result)
    }
}

extension WorkerCore.Outcome {
    /// What became of one job of the batch; of the only one, if it is none.
    func of(_ place: Int) -> Self {
        switch self {
        case .batch(let outcomes): outcomes[place]
        case .succeeded, .completed, .failed, .unavailable: self
        }
    }
}

/// The right to run one handler, and the job or the batch that uses it.
package struct WorkerSlot: Sendable {
    package enum State: Sendable {
        /// Its task waits for a job, or is about to ask for one.
        case idle
        case running
        /// Its handler was told to stop; how it ends still counts.
        case cancelled
        /// Its handler was told to stop; the job is no longer this node's.
        case abandoned
        /// Its task has ended.
        case vacant
    }

    var state = State.idle
    /// By when its handler, which was told to stop, is to have stopped; nil until the clock is looked at.
    var endsBy: Instant?
    var isStuck = false
    /// Stuck, and another handler may run in its stead.
    var isFreed = false
    var isWaiting = false
    /// One unless it is a batch. Keeps its memory.
    var held: ContiguousArray<HeldJob> = []
    /// Counts what was started in it.
    private(set) var run: UInt64 = 0
    private(set) var startedAt = Instant(nanoseconds: 0)
    private(set) var deadline = Instant.distantFuture

    /// Its job is still this node's.
    var holdsJob: Bool { self.state == .running || self.state == .cancelled }

    /// The jobs in it that are still this node's.
    var ours: [HeldJob] { self.holdsJob ? self.held.filter(\.isOurs) : [] }

    mutating func hold(_ job: WorkerCore.Job) { self.held.append(HeldJob(id: job.id, token: job.token)) }

    mutating func start(at now: Instant, deadline: Instant) {
        self.state = .running
        self.run += 1
        self.isWaiting = false
        self.held.removeAll(keepingCapacity: true)
        self.startedAt = now
        self.deadline = deadline
    }
}
