/// Ends a command: one line that names the cause and the fix, and an exit code.
struct CommandError: Error, Hashable, Sendable, CustomStringConvertible {
    let code: ExitCode
    let cause: String
    /// What to do about it; nil if there is nothing to say.
    let fix: String?

    init(_ code: ExitCode, _ cause: String, fix: String? = nil) {
        self.code = code
        self.cause = cause
        self.fix = fix
    }

    static func usage(_ cause: String, fix: String) -> CommandError { CommandError(.usage, cause, fix: fix) }

    /// One line without the leading program name.
    var description: String {
        let line = self.fix.map { "\(self.cause); \($0)" } ?? self.cause
        return HumanText.printable(line)
    }
}
