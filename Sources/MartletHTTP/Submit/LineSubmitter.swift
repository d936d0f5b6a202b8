import MartletCoordinator
import MartletCore
import MartletJSON
import MartletRuntime
import MartletWire

/// Submits JSON lines while they come: what a group of them says is durable before the next is read.
struct LineSubmitter {
    /// Lines, and bytes, in one submit. The same lines make the same submits, so that they can be repeated under a key.
    static let linesMax = 1000
    static let bytesMax = 1 << 20
    static let lineBytesMax = 8 << 20

    private let call: HTTPCall
    private let parts: Coordinator.Parts
    private let defaults: JobDefaults
    private let session: SessionID?
    private var draft: SubmitDraft
    private var draftLines = 0
    private var draftBytes = 0
    private var line = 0
    private var submits: UInt64 = 0
    private(set) var accepted = 0
    private(set) var existing = 0
    private(set) var ranges: [(first: JobID, count: Int)] = []

    init(_ call: HTTPCall, _ parts: Coordinator.Parts, session: SessionID?) throws(Problem) {
        self.call = call
        self.parts = parts
        self.defaults = try call.defaults(parts)
        self.session = session
        self.draft = SubmitDraft(at: call.loop.wallTime)
    }

    /// Takes all of the body.
    ///
    /// - Throws: ``Problem`` with what was accepted until then.
    mutating func run() async throws {
        do {
            var rest: [UInt8] = []
            while let part = try await self.call.exchange.nextPart() {
                rest += part
                var start = 0
                while let end = rest[start...].firstIndex(of: 0x0A) {
                    try await self.take(rest[start..<end])
                    start = end + 1
                }
                rest.removeFirst(start)
                guard rest.count <= Self.lineBytesMax else {
                    throw Problem.badRequest("line \(self.line + 1) is longer than \(Self.lineBytesMax) bytes")
                }
            }
            try await self.take(rest[...])
            try await self.flush()
        } catch let refusal as ErrorReply {
            throw self.explain(Problem(refusal))
        } catch let problem as Problem {
            throw self.explain(problem)
        }
    }

    private func explain(_ problem: Problem) -> Problem {
        var problem = problem
        problem.members += [("line", .count(self.line)), ("accepted", .count(self.accepted))]
        return problem
    }

    private mutating func take(_ slice: ArraySlice<UInt8>) async throws {
        self.line += 1
        let text = slice.last == 0x0D ? slice.dropLast() : slice
        let draft: JobDraft?
        do throws(JobLine.Problem) {
            draft = try JobLine.job(from: Array(text), defaults: self.defaults)
        } catch {
            throw Problem.badRequest("line \(self.line): \(error.cause); \(error.fix)")
        }
        guard let draft else { return }
        try self.draft.add(draft)
        self.draftLines += 1
        self.draftBytes += text.count
        if self.draftLines >= Self.linesMax || self.draftBytes >= Self.bytesMax { try await self.flush() }
    }

    private mutating func flush() async throws {
        guard self.draftLines > 0 else { return }
        self.submits += 1
        if self.session != nil, self.submits > UInt64(Self.keyedSubmitsMax) {
            throw Problem(
                422, "tooManyLines", "Too many lines for an idempotency key",
                "\(Self.keyedSubmitsMax) groups of up to \(Self.linesMax) lines are remembered; use several keys")
        }
        let name: ClientService.SubmitName =
            self.session.map { .known($0, sequence: self.submits) } ?? .new
        let submitted = try await self.parts.clients.submit(
            self.draft.jobs, self.draft.templates, as: name, bytesCount: self.draft.bytesCount)
        self.accepted += Int(submitted.count) - submitted.exceptions.count
        self.existing += submitted.exceptions.count
        self.ranges.append((submitted.first, Int(submitted.count)))
        self.draft = SubmitDraft(at: self.call.loop.wallTime)
        self.draftLines = 0
        self.draftBytes = 0
    }

    /// As many as a session's window holds.
    static let keyedSubmitsMax = 256
}
