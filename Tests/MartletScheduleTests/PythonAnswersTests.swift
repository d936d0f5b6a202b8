import Foundation
import MartletCore
import MartletSchedule
import Testing

/// Other implementations' answers: croniter's where no clock is changed, and those of a brute-force reading of
/// `docs/scheduling.md` in Python (`Tests/scheduling`) around changes of the clock and over years.
@Suite struct PythonAnswersTests {
    struct Answer {
        let source: String
        let expression: String
        let zone: String
        let daylightSaving: DaylightSaving
        let range: Range<WallTime>
        let instants: [WallTime]

        init?(line: Substring) {
            let words = line.split(separator: "\t", omittingEmptySubsequences: false)
            guard words.count == 7, let policy = DaylightSaving(rawValue: String(words[3])), let from = Int64(words[4]),
                let until = Int64(words[5])
            else { return nil }
            self.source = String(words[0])
            self.expression = String(words[1])
            self.zone = String(words[2])
            self.daylightSaving = policy
            self.range = WallTime(microseconds: from * 1_000_000)..<WallTime(microseconds: until * 1_000_000)
            self.instants = words[6].split(separator: ",").map { WallTime(microseconds: Int64($0)! * 1_000_000) }
        }
    }

    /// Another seed asks other questions: `SCHEDULE_SEED=7 swift test --filter PythonAnswersTests`.
    static let seed = ProcessInfo.processInfo.environment["SCHEDULE_SEED"] ?? "1"

    @Test(.timeLimit(.minutes(2))) func everyAnswerIsTheOthersAnswer() async throws {
        let (status, said) = try await Self.askPython()
        try #require(status == 0, "run `scripts/setup.sh test`: \(said.suffix(2000))")
        let answers = said.split(separator: "\n").compactMap(Answer.init)
        let sources = Dictionary(grouping: answers, by: \.source).mapValues(\.count)
        #expect(sources["croniter", default: 0] >= 1000)
        #expect(sources["rules", default: 0] >= 1000)
        #expect(sources["days", default: 0] >= 300)
        var wrong: [String] = []
        for answer in answers {
            if let difference = try Self.difference(answer) { wrong.append(difference) }
        }
        #expect(wrong.isEmpty, "\(wrong.count) of \(answers.count):\n\(wrong.prefix(12).joined(separator: "\n"))")
    }

    private static func difference(_ answer: Answer) throws -> String? {
        let zone = try TimeZoneName(answer.zone)
        let expression: CronExpression
        do { expression = try CronExpression(answer.expression) } catch {
            return error.code == .neverFires && answer.instants.isEmpty ? nil : "\(answer.expression): \(error)"
        }
        let recurrence = Recurrence.cron(expression, zone: zone, daylightSaving: answer.daylightSaving)
        let instants = recurrence.instants(in: answer.range, max: answer.instants.count + 1)
        let (from, last) = (answer.range.lowerBound - .microseconds(1), answer.range.upperBound - .microseconds(1))
        if instants == answer.instants {
            let found = recurrence.last(after: from, through: last)
            return found == answer.instants.last
                ? nil : "\(recurrence): last is \(found.map(zone.text) ?? "none"), not \(instants.last as Any)"
        }
        let at = zip(instants, answer.instants).prefix { $0 == $1 }.count
        let (ours, theirs) = (instants.dropFirst(at).first, answer.instants.dropFirst(at).first)
        return "\(recurrence) (\(answer.daylightSaving)) from \(zone.text(of: answer.range.lowerBound)): no. \(at) is "
            + "\(ours.map(zone.text) ?? "none"), \(answer.source) says \(theirs.map(zone.text) ?? "none")"
    }

    /// Runs the script without blocking a thread of the pool meanwhile.
    private static func askPython() async throws -> (status: Int32, said: String) {
        let root = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let python = Process()
        let output = Pipe()
        python.executableURL = root.appendingPathComponent(".venv/bin/python")
        python.arguments = ["-B", root.appendingPathComponent("Tests/scheduling/answers.py").path, Self.seed]
        python.standardOutput = output
        python.standardError = output
        return try await withCheckedThrowingContinuation { continuation in
            let reader = Thread {
                // It says more than a pipe holds: read to the end before its end is waited for.
                let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
                python.waitUntilExit()
                continuation.resume(returning: (python.terminationStatus, said))
            }
            do { try python.run() } catch {
                continuation.resume(returning: (-1, "\(error)"))
                return
            }
            reader.start()
        }
    }
}
