import MartletCore

/// The text of a progress display; ``ProgressReporter`` decides when to show it.
struct ProgressBar: Sendable {
    /// Bytes of input, or what else is known to end. Nil if nobody knows.
    var total: Int?
    var noun: String
    /// What was done, of `total`, before it was first shown.
    var before = 0

    /// One line, without its end: `  1,234 jobs ████████░░░░  62%  45,000/s  3s left`.
    func line(done: Int, progress: Int, elapsed: Duration, width: Int, style: Style) -> String {
        let seconds = max(Double(elapsed.wholeMilliseconds) / 1000, 0.001)
        let rate = Int(Double(done) / seconds)
        let head = "\(HumanText.number(self.before + done)) \(self.noun)"
        guard let total, total > 0 else { return "\(head)  \(HumanText.number(rate))/s" }
        let share = min(max(Double(progress) / Double(total), 0), 1)
        let percent = Int(share * 100)
        let tail = "\(percent)%  \(HumanText.number(rate))/s" + self.remainder(progress, after: seconds)
        let room = min(40, width - head.count - tail.count - 5)
        guard room >= 8 else { return "\(head)  \(tail)" }
        let filled = Int((share * Double(room)).rounded(.down))
        let bar =
            style.apply(.green, String(repeating: "█", count: filled))
            + style.apply(.dim, String(repeating: "░", count: room - filled))
        return "\(head)  \(bar)  \(tail)"
    }

    /// How long it may still take, at the pace since it was first shown; nothing while nobody knows.
    private func remainder(_ progress: Int, after seconds: Double) -> String {
        guard let total, progress > self.before, progress < total else { return "" }
        let left = seconds * Double(total - progress) / Double(progress - self.before)
        return left < 1e9 ? "  \(HumanText.duration(.seconds(Int64(left.rounded(.up))))) left" : ""
    }
}
