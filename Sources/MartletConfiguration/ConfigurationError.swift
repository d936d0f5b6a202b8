/// Why there is no configuration: what is wrong, where, and what to do about it.
package struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Path of the key, `queues.mail.leaseDuration`; empty for the file as a whole.
    package var path: String
    package var cause: String
    package var fix: String
    /// The file as it was named, if it came from one.
    package var file: String?
    package var position: TextPosition?

    package init(
        path: String = "", cause: String, fix: String, file: String? = nil, position: TextPosition? = nil
    ) {
        self.path = path
        self.cause = cause
        self.fix = fix
        self.file = file
        self.position = position
    }

    /// `cluster.json:4:17: queues.mail.leaseDuration: "3" has no unit`.
    package var causeWithPlace: String {
        var text = ""
        if let file {
            text += file
            if let position { text += ":\(position.line):\(position.column)" }
            text += ": "
        }
        if !self.path.isEmpty { text += "\(self.path): " }
        return text + self.cause
    }

    /// One line.
    package var description: String { "\(self.causeWithPlace); \(self.fix)" }
}
