/// A line of pieces, each in its colour, that is cut where it would be too wide.
struct StyledLine: Sendable {
    private var pieces: [(text: String, ink: Style.Ink)] = []

    init(_ text: String = "", _ ink: Style.Ink = .plain) {
        self.add(text, ink)
    }

    mutating func add(_ text: String, _ ink: Style.Ink = .plain) {
        if !text.isEmpty { self.pieces.append((HumanText.printable(text), ink)) }
    }

    /// Columns that it takes.
    var width: Int { self.pieces.reduce(0) { $0 + $1.text.count } }

    /// - Parameter width: columns of the terminal; nil if the line may be as long as it is.
    func text(style: Style, width: Int?) -> String {
        var left = width ?? .max
        let isCut = self.width > left
        if isCut { left -= 1 }
        var line = ""
        for piece in self.pieces where left > 0 {
            let text = piece.text.prefix(left)
            line += style.apply(piece.ink, String(text))
            left -= text.count
        }
        return isCut ? line + "…" : line
    }
}
