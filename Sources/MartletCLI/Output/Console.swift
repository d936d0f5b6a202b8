/// Where a command's words go. Tests put their own sinks in.
struct Console: Sendable {
    enum Channel: Sendable {
        case output
        case errors
    }

    let output: Style
    let errors: Style
    /// Columns to fit tables into; nil if no person looks at them.
    let width: Int?
    /// Somebody looks at the error channel, so that a line there may be drawn over.
    let showsProgress: Bool
    private let write: @Sendable (Channel, String) -> Void

    init(
        output: Style = .plain, errors: Style = .plain, width: Int? = nil, showsProgress: Bool = false,
        write: @escaping @Sendable (Channel, String) -> Void
    ) {
        self.output = output
        self.errors = errors
        self.width = width
        self.showsProgress = showsProgress
        self.write = write
    }

    /// The process's own output and errors.
    ///
    /// - Parameter color: the value of `--color`, if it was given.
    static func standard(color: String?, environment: [String: String]) -> Console {
        let isOutputTerminal = Terminal.isTerminal(.output)
        let isErrorTerminal = Terminal.isTerminal(.errors)
        return Console(
            output: Style.resolve(choice: color, environment: environment, isTerminal: isOutputTerminal),
            errors: Style.resolve(choice: color, environment: environment, isTerminal: isErrorTerminal),
            width: isOutputTerminal ? Terminal.width(of: .output) : nil,
            showsProgress: isErrorTerminal && environment["TERM"] != "dumb",
            write: { channel, text in Terminal.write(text, to: channel) })
    }

    func print(_ line: String) { self.write(.output, line + "\n") }

    /// Many lines in one piece.
    func print(lines: [String]) {
        if !lines.isEmpty { self.write(.output, lines.joined(separator: "\n") + "\n") }
    }

    func print(_ table: Table) { self.print(lines: table.lines(style: self.output, width: self.width)) }

    func print(text: String) { self.write(.output, text) }

    /// A remark for people, kept out of the output that programs read.
    func note(_ line: String) { self.write(.errors, line + "\n") }

    /// Text on the error channel as it is.
    func raw(_ text: String) { self.write(.errors, text) }

    func report(_ error: CommandError) {
        self.write(.errors, "\(self.errors.apply(.red, "martlet:")) \(error)\n")
    }

    func warn(_ line: String) {
        self.write(.errors, "\(self.errors.apply(.yellow, "martlet: warning:")) \(HumanText.printable(line))\n")
    }
}
