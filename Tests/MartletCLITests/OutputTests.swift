import MartletCore
import MartletJSON
import MartletWire
import Testing

@testable import MartletCLI

@Suite struct HumanTextTests {
    @Test(arguments: [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567"), (-12_345, "-12,345")])
    func groupsDigits(value: Int, expected: String) {
        #expect(HumanText.number(value) == expected)
    }

    @Test(arguments: [
        (0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (1 << 20, "1 MiB"), (150 << 20, "150 MiB"),
        (5 << 30, "5 GiB"),
    ])
    func scalesSizes(bytes: Int, expected: String) {
        #expect(HumanText.size(bytes) == expected)
    }

    @Test(arguments: [
        (Duration.zero, "0s"), (.milliseconds(340), "340ms"), (.seconds(1), "1s"), (.milliseconds(12_900), "12s"),
        (.seconds(200), "3m 20s"), (.seconds(3600), "1h"), (.seconds(7500), "2h 5m"), (.seconds(97 * 3600), "4d 1h"),
        (.seconds(30 * 86400 + 3600), "30d"), (.seconds(-5), "-5s"),
    ])
    func shortensDurations(duration: Duration, expected: String) {
        #expect(HumanText.duration(duration) == expected)
    }

    @Test func tellsPastFromFuture() {
        #expect(HumanText.relative(.seconds(5)) == "in 5s")
        #expect(HumanText.relative(.seconds(-5)) == "5s ago")
        #expect(HumanText.relative(.milliseconds(300)) == "now")
    }

    /// What jobs and programs wrote cannot move the cursor, change colours or fake lines.
    @Test func showsControlCharactersInsteadOfObeyingThem() {
        let text = "a\u{1B}[2Jb\nc\u{7}\u{202E}d\u{9B}0m"
        let shown = HumanText.printable(text)
        #expect(shown == "a\\u{1b}[2Jb\\nc\\u{7}\\u{202e}d\\u{9b}0m")
        #expect(Table.Cell(text).text == shown)
        let job = JobView(
            id: JobID(rawValue: 1), template: JobTemplate(type: "t", queue: "q"), state: .dead, failures: 1,
            nodeDeaths: 0, createdAt: WallTime(microseconds: 0), due: nil, finishedAt: nil,
            lastFailure: JobFailure(kind: "exit 1", message: text), payloadCount: 0, node: nil)
        let view = WorkflowView(
            id: job.id, name: "w", createdAt: job.createdAt, finishedAt: nil, total: 1, open: 0, failed: 1)
        let detail = WorkflowDetail(
            workflow: view, members: [WorkflowDetail.Member(name: "t", parents: [], job: job)], next: nil)
        let lines = WorkflowTree(detail).lines(now: job.createdAt, width: nil, style: .plain)
        #expect(lines.count == 2 && lines[1].hasSuffix("exit 1: " + shown), "\(lines)")
        let narrow = WorkflowTree(detail).lines(now: job.createdAt, width: 24, style: .plain)
        #expect(narrow[0] == "w" && narrow[1].hasPrefix("workflow 1, 1 of 1 jobs"), "the head takes two lines")
        #expect(narrow.allSatisfy { $0.count <= 24 } && narrow[2].hasSuffix("…"), "\(narrow)")
        #expect("\(CommandError(.failure, text))" == shown)
        #expect(HumanText.printable("naïve 😀") == "naïve 😀")
    }
}

@Suite struct WallClockTextTests {
    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (951_782_400_000_000, "2000-02-29T00:00:00.000Z"),
            (1_772_357_400_125_999, "2026-03-01T09:30:00.125Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (4_107_542_399_000_000, "2100-02-28T23:59:59.000Z"), (4_107_542_400_000_000, "2100-03-01T00:00:00.000Z"),
        ] as [(Int64, String)])
    func writesCivilTime(microseconds: Int64, expected: String) {
        #expect(WallClockText.rfc3339(WallTime(microseconds: microseconds)) == expected)
    }
}

@Suite struct StyleTests {
    @Test(
        arguments: [
            (nil, [:], true, true), (nil, [:], false, false), (nil, ["NO_COLOR": "1"], true, false),
            (nil, ["NO_COLOR": ""], true, true), (nil, ["TERM": "dumb"], true, false),
            (nil, ["CLICOLOR_FORCE": "1"], false, true), (nil, ["CLICOLOR_FORCE": "0"], false, false),
            (nil, ["CLICOLOR_FORCE": "1", "NO_COLOR": "1"], true, false), ("always", ["NO_COLOR": "1"], false, true),
            ("never", ["CLICOLOR_FORCE": "1"], true, false), ("auto", [:], true, true),
        ] as [(String?, [String: String], Bool, Bool)])
    func coloursWhereItIsWelcome(choice: String?, environment: [String: String], isTerminal: Bool, expected: Bool) {
        let style = Style.resolve(choice: choice, environment: environment, isTerminal: isTerminal)
        #expect(style.isColoured == expected)
        #expect(style.apply(.red, "x") == (expected ? "\u{1B}[31mx\u{1B}[0m" : "x"))
    }
}

@Suite struct TableTests {
    private func table() -> Table {
        var table = Table(columns: [
            .init(title: "NAME", fit: .shrinking), .init(title: "COUNT", isNumeric: true),
            .init(title: "NOTE", fit: .shrinking), .init(title: "MORE", fit: .droppable),
        ])
        table.append([.init("a"), .init("1"), .init("short"), .init("x")])
        table.append([.init("a much longer name"), .init("1,234"), .init("a note that goes on and on"), .init("y")])
        return table
    }

    @Test func alignsColumns() {
        #expect(
            self.table().lines(style: .plain, width: nil) == [
                "NAME                COUNT  NOTE                        MORE",
                "a                       1  short                       x",
                "a much longer name  1,234  a note that goes on and on  y",
            ])
    }

    @Test func dropsThenCutsToFitTheWidth() {
        #expect(
            self.table().lines(style: .plain, width: 40) == [
                "NAME             COUNT  NOTE",
                "a                    1  short",
                "a much longer …  1,234  a note that goe…",
            ])
    }

    @Test(arguments: 25...90)
    func noLineIsWiderThanTheTerminal(width: Int) {
        for line in self.table().lines(style: .plain, width: width) { #expect(line.count <= width) }
    }

    @Test func colourDoesNotCountAsWidth() {
        var table = Table(columns: [.init(title: "A"), .init(title: "B")])
        table.append([.init("red", .red), .init("x")])
        table.append([.init("r", .red), .init("x")])
        let lines = table.lines(style: Style(isColoured: true), width: 80)
        #expect(lines[1] == "\u{1B}[31mred\u{1B}[0m  x")
        #expect(lines[2] == "\u{1B}[31mr\u{1B}[0m    x")
    }
}

@Suite struct JSONOutputTests {
    @Test func writesOneLineOfValidJSON() {
        let value = JSONOutput.object([
            ("text", .string("a\"b\\c\n\t\u{1}é😀")), ("id", .id(JobID(rawValue: UInt64(Int64.max)))),
            ("seconds", .seconds(.milliseconds(1500))), ("whole", .seconds(.seconds(2))), ("none", .null),
            ("list", .array([.count(1), .boolean(true)])), ("payload", .raw("{\"x\": 1}")),
            ("time", .time(WallTime(microseconds: 0))),
        ])
        #expect(
            value.text
                == "{\"text\":\"a\\\"b\\\\c\\n\\t\\u0001é😀\",\"id\":\"9223372036854775807\",\"seconds\":1.5,\"whole\":2,"
                + "\"none\":null,\"list\":[1,true],\"payload\":{\"x\": 1},\"time\":\"1970-01-01T00:00:00.000Z\"}")
    }
}

@Suite struct StyledLineTests {
    @Test func isCutWhereItWouldBeTooWide() {
        var line = StyledLine("red", .red)
        line.add("\nand more")
        #expect(line.width == 13)
        #expect(line.text(style: .plain, width: nil) == "red\\nand more")
        #expect(line.text(style: .plain, width: 13) == "red\\nand more")
        #expect(line.text(style: .plain, width: 8) == "red\\nan…")
        #expect(line.text(style: Style(isColoured: true), width: 3) == "\u{1B}[31mre\u{1B}[0m…")
    }
}

@Suite struct ProgressBarTests {
    @Test func showsShareRateAndTimeLeft() {
        let bar = ProgressBar(total: 1000, noun: "jobs")
        let line = bar.line(done: 500, progress: 250, elapsed: .seconds(2), width: 60, style: .plain)
        #expect(line == "500 jobs  ███████░░░░░░░░░░░░░░░░░░░░░  25%  250/s  6s left")
        for width in 10...120 {
            let line = bar.line(done: 500, progress: 250, elapsed: .seconds(2), width: width, style: .plain)
            #expect(line.count <= max(width, 35))
        }
    }

    /// The pace is that since it is shown.
    @Test func knowsWhatWasDoneBefore() {
        let bar = ProgressBar(total: 1000, noun: "jobs", before: 600)
        let line = bar.line(done: 100, progress: 700, elapsed: .seconds(2), width: 60, style: .plain)
        #expect(line.hasPrefix("700 jobs ") && line.hasSuffix("70%  50/s  6s left"), "\(line)")
        #expect(bar.line(done: 0, progress: 600, elapsed: .seconds(1), width: 60, style: .plain).hasSuffix("60%  0/s"))
    }

    @Test func showsWhatItKnowsOfAnEndlessInput() {
        let bar = ProgressBar(total: nil, noun: "jobs")
        #expect(
            bar.line(done: 1500, progress: 9, elapsed: .seconds(3), width: 80, style: .plain) == "1,500 jobs  500/s")
    }
}
