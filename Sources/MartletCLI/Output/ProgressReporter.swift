import MartletCore

/// Shows how far a long command is: a bar that is drawn over on a terminal, a line now and then elsewhere.
struct ProgressReporter {
    private static let redrawInterval: Duration = .milliseconds(100)
    private static let lineInterval: Duration = .seconds(10)

    var bar: ProgressBar
    private let console: Console
    private let width: Int
    private let start: ContinuousClock.Instant
    private var lastShown: ContinuousClock.Instant
    private var isDrawn = false

    init(_ bar: ProgressBar, console: Console) {
        self.bar = bar
        self.console = console
        self.width = console.showsProgress ? Terminal.width(of: .errors) : 80
        self.start = .now
        self.lastShown = self.start
    }

    var elapsed: Duration { self.start.duration(to: .now) }

    /// Shows the state, unless it was shown a moment ago.
    mutating func show(done: Int, progress: Int, isQuiet: Bool) {
        guard !isQuiet else { return }
        let interval = self.console.showsProgress ? Self.redrawInterval : Self.lineInterval
        guard self.lastShown.duration(to: .now) >= interval else { return }
        self.lastShown = .now
        let line = self.bar.line(
            done: done, progress: progress, elapsed: self.elapsed, width: self.width, style: self.console.errors)
        if self.console.showsProgress {
            self.console.raw("\r\u{1B}[K\(line)")
            self.isDrawn = true
        } else {
            self.console.note(line)
        }
    }

    /// Takes the bar off the screen.
    mutating func clear() {
        if self.isDrawn { self.console.raw("\r\u{1B}[K") }
        self.isDrawn = false
    }
}
