/// Puts colour on text, or leaves it alone.
struct Style: Hashable, Sendable {
    enum Ink: String, Sendable {
        case plain = ""
        case bold = "1"
        case dim = "2"
        case red = "31"
        case green = "32"
        case yellow = "33"
        case blue = "34"
        case cyan = "36"
    }

    let isColoured: Bool

    static let plain = Style(isColoured: false)

    func apply(_ ink: Ink, _ text: String) -> String {
        guard self.isColoured, ink != .plain, !text.isEmpty else { return text }
        return "\u{1B}[\(ink.rawValue)m\(text)\u{1B}[0m"
    }

    /// Decides about colour: `--color` first, then NO_COLOR, CLICOLOR_FORCE, then whether people look at it.
    ///
    /// - Parameter choice: `auto`, `always`, `never`, or nil for `auto`.
    static func resolve(choice: String?, environment: [String: String], isTerminal: Bool) -> Style {
        switch choice {
        case "always": return Style(isColoured: true)
        case "never": return .plain
        default: break
        }
        if let value = environment["NO_COLOR"], !value.isEmpty { return .plain }
        if let value = environment["CLICOLOR_FORCE"], !value.isEmpty, value != "0" { return Style(isColoured: true) }
        return Style(isColoured: isTerminal && environment["TERM"] != "dumb")
    }
}
