import Martlet
import MartletCore

/// Runs a program for each job and reads its exit code: how a worker is written in any language.
///
/// The program finds the payload on standard input and MARTLET_JOB_ID, MARTLET_IDEMPOTENCY_KEY, MARTLET_TYPE,
/// MARTLET_QUEUE, MARTLET_ATTEMPT, MARTLET_TAGS and a MARTLET_META_NAME for each entry of the job's metadata in its
/// environment. Exit code 0 is success, 65 (EX_DATAERR) a failure that another attempt would
/// not mend, 75 (EX_TEMPFAIL) says that a service of the job is unavailable (see ``ExecUnavailable``), anything else and
/// death by a signal is a failure to be tried again. What it wrote last to standard error
/// is kept as the failure's message; the last 16 KiB that it wrote at all are kept with a failed attempt.
struct ExecHandler: Sendable {
    static let finalExitCode: Int32 = 65

    /// Program and arguments.
    let command: [String]
    /// What the worker itself was started with, as `NAME=VALUE`, in order.
    let environment: [String]
    let supervisor: ProcessSupervisor
    /// Standard output is the job's result.
    let leavesResult: Bool

    /// - Parameter variables: the worker's own environment. The cluster token is kept from programs.
    init(command: [String], variables: [String: String], supervisor: ProcessSupervisor, leavesResult: Bool = false) {
        self.leavesResult = leavesResult
        self.command = command
        self.environment = variables.filter { !$0.key.hasPrefix("MARTLET_") }.map { "\($0.key)=\($0.value)" }.sorted()
        self.supervisor = supervisor
    }

    func run(_ payload: Payload, _ context: JobContext) async throws {
        let request = ChildRequest(
            command: self.command,
            environment: self.environment + Self.variables(of: context), input: payload.bytes,
            keepsOutput: self.leavesResult)
        let outcome = await self.supervisor.run(request)
        // A program that was told to end did not fail: whoever cancelled the job knows what becomes of it.
        if outcome.ending != .exited(0) { try Task.checkCancellation() }
        try Self.check(outcome)
        guard self.leavesResult else { return }
        guard let output = outcome.output else {
            throw JobFailureError(
                kind: "result", message: "standard output is longer than \(ChildOutcome.outputBytesMax) bytes")
        }
        try context.setResult(raw: Payload(copying: output))
    }

    private static func variables(of context: JobContext) -> [String] {
        let own = [
            "MARTLET_JOB_ID=\(context.id)", "MARTLET_IDEMPOTENCY_KEY=\(context.idempotencyKey)",
            "MARTLET_TYPE=\(context.type)", "MARTLET_QUEUE=\(context.queue)", "MARTLET_ATTEMPT=\(context.attempt)",
            "MARTLET_TAGS=\(context.tags.joined(separator: " "))",
        ]
        // A NUL would end the value early for the program.
        let metadata = context.metadata.filter { !$0.value.utf8.contains(0) }
        return own + metadata.map { "MARTLET_META_\(Self.variable($0.key))=\($0.value)" }.sorted()
    }

    /// `trace.parent` as `TRACE_PARENT`.
    private static func variable(_ name: String) -> String {
        String(decoding: name.uppercased().utf8.map { Self.isPlain($0) ? $0 : UInt8(ascii: "_") }, as: UTF8.self)
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    /// - Throws: the failure that the job is given.
    static func check(_ outcome: ChildOutcome) throws {
        func failure(_ kind: String) -> JobFailureError {
            JobFailureError(kind: kind, message: outcome.errorTail, output: Payload(copying: outcome.log))
        }
        if case .exited(let code) = outcome.ending, code != 0, code != Self.finalExitCode,
            let unavailable = ExecUnavailable.error(code, errorTail: outcome.errorTail)
        {
            throw unavailable
        }
        switch outcome.ending {
        case .exited(0): return
        case .exited(Self.finalExitCode): throw NonRetryable(failure("exit \(Self.finalExitCode)"))
        case .exited(let code): throw failure("exit \(code)")
        case .signalled(let number): throw failure("signal \(number)")
        case .notStarted(let problem): throw JobFailureError(kind: "not started", message: problem)
        }
    }
}
