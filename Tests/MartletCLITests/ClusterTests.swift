import Foundation
import Testing

/// A coordinator, a worker and the commands, as processes.
@Suite(.timeLimit(.minutes(2))) struct ClusterTests {
    private let folder: Folder

    init() throws {
        self.folder = try Folder()
    }

    private func martlet(_ arguments: String..., input: String = "") throws -> Run {
        try Run(arguments, in: self.folder.url, input: input)
    }

    /// Asks until the sums over all queues are as wanted; the suite's time limit ends it.
    private func waitForTotals(_ wanted: [String: Int]) throws {
        while true {
            let queues = try self.martlet("queues", "--json").objects()
            let isThere = wanted.allSatisfy { key, value in
                queues.reduce(0) { $0 + ($1[key] as? Int ?? 0) } == value
            }
            if isThere { return }
        }
    }

    @Test func programsRunJobsAndTheirExitCodesDecide() throws {
        try self.folder.writeConfiguration()
        let coordinator = try Server(["coordinator"], in: self.folder.url)
        try coordinator.wait(for: "nodes are served")

        #expect(try self.martlet("submit", "ok", "{\"n\": 1}").output == "1\n")
        #expect(try self.martlet("submit", "final", "-", input: "[2]\n").output == "2\n")
        #expect(
            try self.martlet("submit", "fails", "--max-attempts", "1", "-q", "other", "--json").output
                == "{\"id\":\"3\"}\n")
        #expect(try self.martlet("submit", "later", "--delay", "1h", "-p", "9").code == 0)

        let script = """
            cat >> seen; echo " $MARTLET_JOB_ID $MARTLET_TYPE $MARTLET_QUEUE $MARTLET_ATTEMPT" >> seen
            case $MARTLET_TYPE in final) echo 'no account' >&2; exit 65;; fails) echo 'no luck' >&2; exit 3;; esac
            """
        let worker = try Server(
            [
                "worker", "-t", "ok", "-t", "final", "-t", "fails", "-t", "slow", "-s", "1", "--name", "w1", "--exec",
                script,
            ],
            in: self.folder.url)
        try worker.wait(for: "registered")
        try self.waitForTotals(["succeededTotal": 1, "dead": 2])

        let seen = try String(contentsOf: self.folder.url.appending(path: "seen"), encoding: .utf8)
        #expect(
            seen.split(separator: "\n").sorted() == [
                "[2] 2 final default 1", "{\"n\": 1} 1 ok default 1", "{} 3 fails other 1",
            ])

        let dead = try self.martlet("dead", "list", "--json").objects()
        #expect(dead.map { $0["id"] as? String } == ["2", "3"])
        #expect(dead.map { ($0["lastFailure"] as? [String: String])?["kind"] } == ["exit 65", "exit 3"])
        #expect(dead.map { ($0["lastFailure"] as? [String: String])?["message"] } == ["no account", "no luck"])
        #expect(try self.martlet("jobs", "show", "2", "--payload").output == "[2]")
        #expect(
            try self.martlet("jobs", "show", "3").output.contains("Last failure  exit 3\n                no luck\n"))
        #expect(try self.martlet("jobs", "list", "--state", "scheduled", "--json").objects().count == 1)
        #expect(try self.martlet("nodes").output.split(separator: "\n").last?.hasPrefix("w1    live") == true)

        #expect(try self.martlet("dead", "retry", "--type", "final").output == "1 dead job made ready again\n")
        try self.waitForTotals(["dead": 2])
        let missing = try self.martlet("dead", "delete", "3", "99", "--yes")
        #expect(missing.output == "1 dead job deleted\n")
        #expect(missing.errors == "martlet: 1 job not there or not dead: 99; see martlet dead list\n")
        #expect(missing.code == 1)

        #expect(try self.martlet("doctor").code == 0)
        #expect(worker.stop() == 0)
        #expect(coordinator.stop() == 0)
    }

    /// However soon it has ended: an awaited job is kept until somebody could ask.
    @Test func theEndOfAJobIsAwaited() throws {
        try self.folder.writeConfiguration()
        let coordinator = try Server(["coordinator"], in: self.folder.url)
        try coordinator.wait(for: "nodes are served")
        let worker = try Server(
            ["worker", "-t", "t", "--name", "w", "--result", "--exec", "read n; test \"$n\" != 0 && echo \"[$n]\""],
            in: self.folder.url)
        try worker.wait(for: "registered")
        for number in 1...8 {
            let run = try self.martlet("submit", "t", "\(number)", "--await")
            #expect(run.code == 0 && run.output == "[\(number)]\n", "\(run)")
        }
        #expect(try self.martlet("submit", "t", "0", "--await", "--max-attempts", "1").code == 1)
        #expect(worker.stop() == 0)
        #expect(coordinator.stop() == 0)
    }

    @Test func fileOfJobsIsSubmittedWholeOrNotAtAll() throws {
        try self.folder.writeConfiguration()
        let coordinator = try Server(["coordinator"], in: self.folder.url)
        try coordinator.wait(for: "nodes are served")
        let lines = (0..<5000).map { "{\"n\": \($0)}" }

        try self.folder.write((lines + ["{bad"]).joined(separator: "\n"), to: "bad.jsonl")
        let bad = try self.martlet("submit", "--from", "bad.jsonl", "--type", "t")
        #expect(bad.code == 65)
        #expect(
            bad.errors
                == "martlet: bad.jsonl:5001: not valid JSON: expected a name in quotes (column 2); no job was submitted; "
                + "correct the line\n")
        #expect(try self.martlet("queues", "--json").output == "")

        try self.folder.write(lines.joined(separator: "\n"), to: "good.jsonl")
        let good = try self.martlet("submit", "--from", "good.jsonl", "--type", "t", "--skip", "1000")
        #expect(good.output.hasPrefix("4,000 jobs submitted in "))
        #expect(try self.martlet("jobs", "list", "-n", "10000", "--json").objects().count == 4000)
        #expect(try self.martlet("jobs", "show", "1", "--payload").output == "{\"n\": 1000}")
        #expect(coordinator.stop() == 0)
    }

    @Test func clusterTokenIsDemanded() throws {
        try self.folder.writeConfiguration("\"tokenFile\": \"token\"")
        try self.folder.write("a secret of some length\n", to: "token")
        let coordinator = try Server(["coordinator"], in: self.folder.url)
        try coordinator.wait(for: "nodes are served")
        let url = self.folder.url
        #expect(try self.martlet("queues").code == 0)
        let wrong = try Run(["queues"], in: url, environment: ["MARTLET_TOKEN": "another secret of some length"])
        #expect(wrong.code == 77)
        #expect(
            wrong.errors
                == "martlet: the coordinator does not accept this cluster token; compare tokenFile or MARTLET_TOKEN\n")
        let none = try Run(["queues", "--config", "/dev/null/x", "--address", "ipc://\(url.path)/c"], in: url)
        #expect(none.code == 66)
        try self.folder.writeConfiguration()
        let without = try self.martlet("submit", "t")
        #expect(without.code == 77)
        #expect(without.errors.split(separator: "\n").count == 1)
        #expect(coordinator.stop() == 0)
    }

    @Test func secondCoordinatorIsRefusedWithTheReason() throws {
        try self.folder.writeConfiguration()
        let coordinator = try Server(["coordinator"], in: self.folder.url)
        try coordinator.wait(for: "nodes are served")
        let second = try self.martlet("coordinator")
        #expect(second.code == 1)
        let line = try #require(second.errors.split(separator: "\n").last)
        #expect(line.hasPrefix("martlet: martlet.db is in use: "))
        #expect(line.hasSuffix("; stop the other coordinator, or set store.path"))
        #expect(coordinator.stop() == 0)
    }

    @Test func workerUsageErrorsAreOneLine() throws {
        for (arguments, line, code) in [
            (["worker"], "martlet: no job type is named; add --type NAME, once for each type\n", 2),
            (["worker", "-t", "a"], "martlet: no command is named; add --exec COMMAND, or -- COMMAND ARGUMENTS\n", 2),
            (
                ["worker", "-t", "a", "--", "no-such-program"],
                "martlet: cannot run no-such-program: no such program; check the name, its rights and PATH\n", 66
            ),
            (
                ["worker", "-t", "a", "-e", "x", "--", "y"],
                "martlet: --exec and -- both name a command; use one of them\n", 2
            ),
            (["worker", "-t", "a", "-t", "a", "-e", "x"], "martlet: --type a is given twice; give it once\n", 2),
        ] as [([String], String, Int32)] {
            let run = try Run(arguments, in: self.folder.url)
            #expect(run.errors == line)
            #expect(run.code == code)
        }
    }
}
