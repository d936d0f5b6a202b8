/// Rows in aligned columns.
struct Table: Sendable {
    struct Column: Sendable {
        let title: String
        var isNumeric = false
        /// May be cut, or left out by `.droppable`, where the line is too narrow.
        var fit = Fit.fixed
    }

    enum Fit: Hashable, Sendable {
        case fixed
        /// Cut with `…`, down to eight characters.
        case shrinking
        /// Left out, last column first, before anything is cut.
        case droppable
    }

    struct Cell: Sendable, ExpressibleByStringInterpolation {
        let text: String
        let ink: Style.Ink

        init(_ text: String, _ ink: Style.Ink = .plain) {
            self.text = HumanText.printable(text)
            self.ink = ink
        }

        init(stringLiteral value: String) {
            self.init(value)
        }
    }

    let columns: [Column]
    private(set) var rows: [[Cell]] = []

    init(columns: [Column]) {
        self.columns = columns
    }

    /// - Precondition: as many cells as there are columns.
    mutating func append(_ row: [Cell]) {
        precondition(row.count == self.columns.count, "a row has one cell for each column")
        self.rows.append(row)
    }

    /// - Parameter width: columns of the terminal; nil if lines may be as long as they are.
    func lines(style: Style, width: Int?) -> [String] {
        var widths = self.columns.indices.map { index in
            max(self.columns[index].title.count, self.rows.map { $0[index].text.count }.max() ?? 0)
        }
        var shown = Array(self.columns.indices)
        if let width { self.fit(&shown, &widths, into: width) }
        let header = self.line(self.columns.map { Cell($0.title, .dim) }, shown, widths, style)
        return [header] + self.rows.map { self.line($0, shown, widths, style) }
    }

    private func fit(_ shown: inout [Int], _ widths: inout [Int], into width: Int) {
        func excess() -> Int { shown.map { widths[$0] }.reduce(0, +) + 2 * (shown.count - 1) - width }
        for index in self.columns.indices.reversed() where excess() > 0 && self.columns[index].fit == .droppable {
            shown.removeAll { $0 == index }
        }
        while excess() > 0 {
            let candidates = shown.filter { self.columns[$0].fit == .shrinking && widths[$0] > 8 }
            guard let widest = candidates.max(by: { widths[$0] < widths[$1] }) else { return }
            widths[widest] -= 1
        }
    }

    private func line(_ cells: [Cell], _ shown: [Int], _ widths: [Int], _ style: Style) -> String {
        var line = ""
        for (place, index) in shown.enumerated() {
            if place > 0 { line += "  " }
            let cell = cells[index]
            let isCut = cell.text.count > widths[index]
            let text = isCut ? String(cell.text.prefix(widths[index] - 1)) + "…" : cell.text
            let padding = String(repeating: " ", count: widths[index] - text.count)
            let inked = style.apply(cell.ink, text)
            if self.columns[index].isNumeric {
                line += padding + inked
            } else {
                line += place == shown.count - 1 ? inked : inked + padding
            }
        }
        return line
    }
}
