import MartletCore
import MartletTransport
import MartletWire

/// Decides which submits go into which frame, who sends it, and what an answer means for each.
///
/// A pure value. There is no background task: one of the calls that wait leads the next frame, sends it for all that
/// have gathered, and passes the lead on.
struct SubmitCore: Sendable {
    /// A sequence of the session, with the calls whose jobs it carries.
    struct Frame: Sendable {
        let session: SessionID
        let sequence: UInt64
        let entries: [SubmitEntry]
        /// What is sent: the same bytes at each try.
        let bytes: Bytes
        /// Which of the calls still wait for the answer.
        fileprivate var isWaiting: [Bool]
        /// A try ended without an answer, so the jobs may be in the store.
        var mayBeAccepted = false
        var attempts = 0

        init(session: SessionID, sequence: UInt64, entries: [SubmitEntry]) {
            self.session = session
            self.sequence = sequence
            self.entries = entries
            self.bytes = entries.frame(session: session, sequence: sequence)
            self.isWaiting = Array(repeating: true, count: entries.count)
        }

        var idCount: Int { self.entries.reduce(0) { $0 + $1.idCount } }

        /// When the first of the calls that wait runs out of time.
        var deadline: Instant {
            self.waiting.reduce(.distantFuture) { min($0, $1.deadline) }
        }

        /// The calls that still wait for the answer, in the order of their jobs.
        var waiting: some Sequence<SubmitEntry> {
            zip(self.entries, self.isWaiting).lazy.filter { $0.1 }.map { $0.0 }
        }
    }

    /// A session that the coordinator has opened.
    struct Session: Sendable {
        let id: SessionID
        let payloadMax: Int
        let submitsInFlightMax: UInt64
        let features: PeerFeatures
        var nextSequence: UInt64 = 1
        /// Sequences that may still be sent, ascending.
        var inFlight: [UInt64] = []
    }

    /// How a call ends.
    typealias Outcome = Result<AcceptedJobs, MartletError>

    /// What follows from an answer.
    enum Verdict {
        /// The frame is done; these calls end so.
        case finished([(SubmitEntry.ID, Outcome)])
        /// Nothing was accepted; the calls wait for another frame.
        case requeued
        /// The same bytes again after a pause.
        case again(MartletError)
    }

    private let framesInFlightMax: Int
    private let pendingBytesMax: Int
    private(set) var session: Session?
    private var pending = Deque<SubmitEntry>()
    private var pendingBytes = 0
    private var framesInFlight = 0
    /// A call was given the lead and has not formed its frame yet.
    private var isForming = false
    private var lastID: SubmitEntry.ID = 0

    init(framesInFlightMax: Int, pendingBytesMax: Int) {
        self.framesInFlightMax = framesInFlightMax
        self.pendingBytesMax = pendingBytesMax
    }

    var hasPending: Bool { !self.pending.isEmpty }

    // MARK: Calls

    /// A call hands in its jobs.
    mutating func add(_ entry: SubmitEntry) throws(MartletError) -> SubmitEntry.ID {
        guard self.pendingBytes + entry.bytesCount <= self.pendingBytesMax else {
            throw MartletError(.overloaded, "\(self.pendingBytes) bytes of jobs wait to be sent, the most allowed")
        }
        self.lastID += 1
        var entry = entry
        entry.id = self.lastID
        self.pending.append(entry)
        self.pendingBytes += entry.bytesCount
        return entry.id
    }

    /// The call that is to lead the next frame, if there may be one now.
    mutating func nextLeader() -> SubmitEntry.ID? {
        guard !self.isForming, self.framesInFlight < self.framesInFlightMax, self.mayUseNextSequence,
            let first = self.pending.first
        else { return nil }
        self.isForming = true
        return first.id
    }

    /// The leader could not get a session; it leaves with its jobs unsent.
    mutating func giveUp(_ id: SubmitEntry.ID) {
        self.isForming = false
        self.remove(id)
    }

    /// The client closes: these calls are not sent any more.
    mutating func removeAllPending() -> [SubmitEntry.ID] {
        let ids = (0..<self.pending.count).map { self.pending[$0].id }
        self.pending.removeAll()
        self.pendingBytes = 0
        return ids
    }

    // MARK: Frames

    mutating func open(_ id: SessionID, as opened: SessionOpened) {
        self.session = Session(
            id: id, payloadMax: Int(opened.payloadMax), submitsInFlightMax: UInt64(max(opened.submitsInFlightMax, 1)),
            features: opened.features)
    }

    /// The leader takes what has gathered. Nil if nothing that may be sent is left.
    ///
    /// - Parameter ended: calls whose time ran out while they waited, or whose payloads are too long.
    mutating func takeFrame(at now: Instant, ended: inout [(SubmitEntry.ID, Outcome)]) -> Frame? {
        precondition(self.isForming, "only the leader forms a frame")
        self.isForming = false
        guard var session = self.session else { return nil }
        var entries: [SubmitEntry] = []
        var jobCount = 0
        var bytesCount = 0
        var templateCount = 0
        while let next = self.pending.first {
            if let problem = self.problem(of: next, in: session, at: now) {
                ended.append((next.id, .failure(problem)))
                self.dropFirst()
                continue
            }
            let fits =
                jobCount + next.jobs.count <= Submit.jobsMax && bytesCount + next.bytesCount <= SubmitEntry.bytesMax
                && templateCount + next.templates.count <= Submit.templatesMax && !next.isAlone
            guard fits || entries.isEmpty else { break }
            jobCount += next.jobs.count
            bytesCount += next.bytesCount
            templateCount += next.templates.count
            entries.append(next)
            self.dropFirst()
            if next.isAlone { break }
        }
        guard !entries.isEmpty else { return nil }
        let frame = Frame(session: session.id, sequence: session.nextSequence, entries: entries)
        session.inFlight.append(session.nextSequence)
        session.nextSequence += 1
        self.session = session
        self.framesInFlight += 1
        return frame
    }

    /// Some calls stop waiting: their time ran out, or their task was cancelled.
    ///
    /// What remains of a frame that was certainly not accepted waits for another frame without them. If the jobs may
    /// be in the store, the same bytes go on being sent for the others.
    ///
    /// - Returns: whether the frame goes on; if not, it is retired.
    mutating func leave(
        _ frame: inout Frame, cause: MartletError?, ended: inout [(SubmitEntry.ID, Outcome)],
        where leaves: (SubmitEntry) -> Bool
    ) -> Bool {
        var leaving: [SubmitEntry.ID] = []
        for (place, entry) in frame.entries.enumerated() where frame.isWaiting[place] && leaves(entry) {
            frame.isWaiting[place] = false
            leaving.append(entry.id)
        }
        let isWanted = frame.isWaiting.contains(true)
        guard !leaving.isEmpty || !isWanted else { return true }
        let error = Self.giveUpError(frame, cause: cause)
        for id in leaving { ended.append((id, .failure(error))) }
        guard frame.mayBeAccepted && isWanted else {
            self.retire(frame)
            self.requeue(Array(frame.waiting), alone: false)
            return false
        }
        return true
    }

    /// The frame is not sent any more.
    mutating func retire(_ frame: Frame) {
        self.framesInFlight -= 1
        guard self.session?.id == frame.session, let place = self.session?.inFlight.firstIndex(of: frame.sequence)
        else { return }
        self.session?.inFlight.remove(at: place)
    }

    /// Judges the coordinator's answer. After `.finished` and `.requeued` the frame is retired.
    mutating func answered(_ frame: Frame, _ reply: Reply<Submitted>) -> Verdict {
        switch reply {
        case .message(let submitted):
            guard Int(submitted.count) == frame.idCount else {
                self.retire(frame)
                let problem = "the coordinator acknowledged \(submitted.count) jobs of \(frame.idCount)"
                return .finished(Self.failing(frame, MartletError(.outcomeUnknown, problem)))
            }
            self.retire(frame)
            var place = 0
            var outcomes: [(SubmitEntry.ID, Outcome)] = []
            for (entry, isWaiting) in zip(frame.entries, frame.isWaiting) {
                let accepted = AcceptedJobs(submitted, places: place..<place + entry.idCount)
                if isWaiting { outcomes.append((entry.id, .success(accepted))) }
                place += entry.idCount
            }
            return .finished(outcomes)
        case .refused(let refusal):
            return self.refused(frame, refusal)
        }
    }

    /// Judges a try that brought no answer. After `.finished` the frame is retired.
    mutating func failed(_ frame: inout Frame, _ error: TransportError) -> Verdict {
        let cause = MartletError(error)
        switch error.code {
        case .timedOut, .connectionLost, .cancelled, .failed:
            frame.mayBeAccepted = true
            return .again(cause)
        case .closed:
            frame.mayBeAccepted = true
        case .addressInUse, .addressInvalid, .permissionDenied, .messageTooLarge:
            break
        }
        self.retire(frame)
        return .finished(Self.failing(frame, Self.giveUpError(frame, cause: cause)))
    }

    private mutating func refused(_ frame: Frame, _ refusal: ErrorReply) -> Verdict {
        let error = MartletError(refusal)
        switch refusal.code {
        case .overloaded, .unavailable, .storeUnavailable, .internal:
            return .again(error)
        case .sessionExpired:
            self.retire(frame)
            if self.session?.id == frame.session { self.session = nil }
            guard frame.mayBeAccepted else {
                self.requeue(frame.entries, alone: false)
                return .requeued
            }
        default:
            self.retire(frame)
            guard frame.mayBeAccepted || frame.entries.count == 1 else {
                self.requeue(frame.entries, alone: true)
                return .requeued
            }
        }
        return .finished(Self.failing(frame, frame.mayBeAccepted ? Self.giveUpError(frame, cause: error) : error))
    }

    /// What a call is told that ends without the frame's answer.
    static func giveUpError(_ frame: Frame, cause: MartletError?) -> MartletError {
        let cause = cause ?? MartletError(.timedOut, "no answer in time")
        guard frame.mayBeAccepted else { return cause }
        return MartletError(
            .outcomeUnknown, "the jobs may have been accepted or not: \(cause.message)", nativeCode: cause.nativeCode)
    }

    static func failing(_ frame: Frame, _ error: MartletError) -> [(SubmitEntry.ID, Outcome)] {
        frame.waiting.map { ($0.id, .failure(error)) }
    }

    func checkInvariants() {
        precondition(self.framesInFlight >= 0 && self.framesInFlight <= self.framesInFlightMax, "frames are bounded")
        precondition(
            self.pendingBytes == (0..<self.pending.count).reduce(0) { $0 + self.pending[$1].bytesCount },
            "waiting bytes are counted")
        guard let session else { return }
        precondition(session.inFlight == session.inFlight.sorted(), "sequences are sent in order")
        precondition(session.inFlight.count <= self.framesInFlight, "each sequence in flight has its frame")
        if let oldest = session.inFlight.first {
            precondition(session.nextSequence - oldest <= session.submitsInFlightMax, "the session keeps the oldest")
        }
    }

    // MARK: Parts

    /// The coordinator forgets sequences that are this far behind the newest.
    private var mayUseNextSequence: Bool {
        guard let session, let oldest = session.inFlight.first else { return true }
        return session.nextSequence - oldest < session.submitsInFlightMax
    }

    private func problem(of entry: SubmitEntry, in session: Session, at now: Instant) -> MartletError? {
        if !session.features.contains(.rareOptions), entry.hasRareOptions {
            return MartletError(
                .versionMismatch,
                "the coordinator is of version 0.1.0, which knows no job options but priority, timeout and retry")
        }
        let payloadMax = session.payloadMax
        if entry.longestPayload > payloadMax {
            return MartletError(
                .payloadTooLarge,
                "a payload has \(entry.longestPayload) bytes, the coordinator takes at most \(payloadMax)")
        }
        if entry.deadline <= now { return MartletError(.timedOut, "the jobs were not sent in time") }
        return nil
    }

    private mutating func dropFirst() {
        if let entry = self.pending.popFirst() { self.pendingBytes -= entry.bytesCount }
    }

    private mutating func requeue(_ entries: [SubmitEntry], alone: Bool) {
        for var entry in entries.reversed() {
            entry.isAlone = entry.isAlone || alone
            self.pending.prepend(entry)
            self.pendingBytes += entry.bytesCount
        }
    }

    private mutating func remove(_ id: SubmitEntry.ID) {
        var kept = Deque<SubmitEntry>()
        for place in 0..<self.pending.count {
            if self.pending[place].id == id {
                self.pendingBytes -= self.pending[place].bytesCount
            } else {
                kept.append(self.pending[place])
            }
        }
        self.pending = kept
    }
}
