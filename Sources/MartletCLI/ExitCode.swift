/// What the process tells its caller. Numbers from 64 up are those of `sysexits.h`.
enum ExitCode: Int32, Sendable, CaseIterable {
    case success = 0
    /// The command was understood but not everything it was to do could be done.
    case failure = 1
    /// Wrong flags or arguments.
    case usage = 2
    /// Input is malformed: EX_DATAERR.
    case badInput = 65
    /// An input file is missing or unreadable: EX_NOINPUT.
    case noInput = 66
    /// The coordinator cannot be reached: EX_UNAVAILABLE.
    case unreachable = 69
    /// Overloaded or starting; the same command may work later: EX_TEMPFAIL.
    case tryLater = 75
    /// The cluster token is missing or wrong: EX_NOPERM.
    case denied = 77
    /// cluster.json is broken: EX_CONFIG.
    case badConfiguration = 78
    /// Stopped by Ctrl-C: 128 + SIGINT.
    case interrupted = 130

    var meaning: String {
        switch self {
        case .success: "done"
        case .failure: "something could not be done"
        case .usage: "wrong flags or arguments"
        case .badInput: "malformed input"
        case .noInput: "an input file is missing or unreadable"
        case .unreachable: "the coordinator cannot be reached"
        case .tryLater: "the coordinator is busy or starting; try later"
        case .denied: "the cluster token is missing or wrong"
        case .badConfiguration: "cluster.json is broken"
        case .interrupted: "interrupted"
        }
    }
}
