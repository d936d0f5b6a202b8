import MartletCore

/// The text of a progress display; ``ProgressReporter`` decides when to show it.
struct ProgressBar: Sendable {
    /// Bytes of input, or what else is known to end. Nil if nobody knows.
    let total: Int?
    let noun: String

    /// One line, without its end: `  1,234 jobs ████████░░░░  62%  45,000/s  3s left`.
    func line(done: Int, progress: Int, elapsed: Duration, width: Int, style: Style) -> String {
        let seconds = max(Double(elapsed.wholeMilliseconds) / 1000, 0.001)
        let rate = Int(Double(done) / seconds)
        let head = "\(HumanText.number(done)) \(self.noun)"
        guard let total, total > 0 else { return "\(head)  \(HumanText.number(rate))/s" }
        let share = min(max(Double(progress) / Double(total), 0), 1)
        let percent = Int(share * 100)
        let left = share > 0 ? Duration.seconds(Int64((seconds * (1 - share) / share).rounded(.up))) : .zero
        let tail = "\(percent)%  \(HumanText.number(rate))/s" + (share < 1 ? "  \(HumanText.duration(left)) left" : "")
        let room = min(40, width - head.count - tail.count - 5)
        guard room >= 8 else { return "\(head)  \(tail)" }
        let filled = Int((share * Double(room)).rounded(.down))
        let bar =
            style.apply(.green, String(repeating: "█", count: filled))
            + style.apply(.dim, String(repeating: "░", count: room - filled))
        return "\(head)  \(bar)  \(tail)"
    }
}
