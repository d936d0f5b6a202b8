import Martlet
import MartletCore

/// Runs a program for each job and reads its exit code: how a worker is written in any language.
///
/// The program finds the payload on standard input and MARTLET_JOB_ID, MARTLET_TYPE, MARTLET_QUEUE and
/// MARTLET_ATTEMPT in its environment. Exit code 0 is success, 65 (EX_DATAERR) a failure that another attempt would
/// not mend, anything else and death by a signal a failure to be tried again. What it wrote last to standard error
/// is kept as the failure's message.
struct ExecHandler: Sendable {
    static let finalExitCode: Int32 = 65

    /// Program and arguments.
    let command: [String]
    /// What the worker itself was started with, as `NAME=VALUE`, in order.
    let environment: [String]
    let supervisor: ProcessSupervisor

    /// - Parameter variables: the worker's own environment. The cluster token is kept from programs.
    init(command: [String], variables: [String: String], supervisor: ProcessSupervisor) {
        self.command = command
        self.environment = variables.filter { !$0.key.hasPrefix("MARTLET_") }.map { "\($0.key)=\($0.value)" }.sorted()
        self.supervisor = supervisor
    }

    func run(_ payload: Payload, _ context: JobContext) async throws {
        let request = ChildRequest(
            command: self.command,
            environment: self.environment + [
                "MARTLET_JOB_ID=\(context.id)", "MARTLET_TYPE=\(context.type)", "MARTLET_QUEUE=\(context.queue)",
                "MARTLET_ATTEMPT=\(context.attempt)",
            ],
            input: payload.bytes)
        let outcome = await self.supervisor.run(request)
        // A program that was told to end did not fail: whoever cancelled the job knows what becomes of it.
        if outcome.ending != .exited(0) { try Task.checkCancellation() }
        try Self.check(outcome)
    }

    /// - Throws: the failure that the job is given.
    static func check(_ outcome: ChildOutcome) throws {
        switch outcome.ending {
        case .exited(0): return
        case .exited(Self.finalExitCode):
            throw NonRetryable(JobFailureError(kind: "exit \(Self.finalExitCode)", message: outcome.errorTail))
        case .exited(let code): throw JobFailureError(kind: "exit \(code)", message: outcome.errorTail)
        case .signalled(let number):
            throw JobFailureError(kind: "signal \(number)", message: outcome.errorTail)
        case .notStarted(let problem): throw JobFailureError(kind: "not started", message: problem)
        }
    }
}
