import Foundation
import Testing

/// Cancelling, pausing and changing many jobs, by the commands.
@Suite(.timeLimit(.minutes(2))) struct ControlCommandTests {
    private let folder: Folder

    init() throws {
        self.folder = try Folder()
    }

    private func martlet(_ arguments: String...) throws -> Run { try Run(arguments, in: self.folder.url) }

    private func coordinator() throws -> Server {
        try self.folder.writeConfiguration()
        let coordinator = try Server(["coordinator"], in: self.folder.url)
        try coordinator.wait(for: "nodes are served")
        return coordinator
    }

    /// The program is told by SIGTERM; one that does not care is killed.
    @Test(arguments: [("trap 'echo told >> seen; exit 3' TERM", "told\n"), ("trap '' TERM", "")])
    func aRunningProgramIsEnded(trap: String, seen: String) throws {
        let coordinator = try self.coordinator()
        let script = "\(trap); touch seen; echo $$ >> pids; echo running >&2; while :; do sleep 0.01; done"
        let worker = try Server(
            ["worker", "-t", "t", "-s", "1", "--name", "w", "--kill-after", "200ms", "--exec", script],
            in: self.folder.url)
        try worker.wait(for: "registered")
        #expect(try self.martlet("submit", "t").output == "1\n")
        try worker.wait(for: "running")
        #expect(try self.martlet("jobs", "cancel", "1").output == "1 job cancelled\n")
        #expect(try self.martlet("jobs", "list", "--state", "cancelled", "--json").objects().count == 1)
        // Its slot is free again only when the program has ended.
        #expect(try self.martlet("submit", "t").output == "2\n")
        while try self.martlet("jobs", "list", "--state", "running", "--json").objects().isEmpty {}
        #expect(try String(contentsOf: self.folder.url.appending(path: "seen"), encoding: .utf8) == seen)
        #expect(try self.martlet("jobs", "cancel", "--state", "running").output == "1 job cancelled\n")
        // The worker does not leave before the program, though the job is nobody's any more.
        #expect(worker.stop() == 0)
        let pids = try String(contentsOf: self.folder.url.appending(path: "pids"), encoding: .utf8)
        #expect(pids.split(separator: "\n").count == 2)
        #expect(pids.split(separator: "\n").allSatisfy { kill(Int32($0)!, 0) == -1 && errno == ESRCH })
        #expect(coordinator.stop() == 0)
    }

    @Test func manyAreChangedAtOnceAndADryRunSaysHowMany() throws {
        let coordinator = try self.coordinator()
        try self.folder.write((0..<3).map { "{\"n\": \($0)}" }.joined(separator: "\n"), to: "jobs.jsonl")
        #expect(try self.martlet("submit", "--from", "jobs.jsonl", "--type", "t").code == 0)
        #expect(try self.martlet("jobs", "cancel", "--type", "t", "--dry-run").output == "3 jobs would be cancelled\n")
        #expect(
            try self.martlet("jobs", "prioritize", "--to", "9", "--queue", "default").output
                == "3 waiting jobs given priority 9\n")
        #expect(
            try self.martlet("jobs", "reschedule", "1", "--in", "1h").output == "1 waiting job rescheduled\n")
        #expect(try self.martlet("jobs", "list", "--state", "scheduled", "--json").objects().count == 1)
        #expect(try self.martlet("queues", "purge", "default", "--yes").output == "3 waiting jobs removed\n")
        let list = try self.martlet("bulk", "list", "--json").objects()
        #expect(list.map { $0["operation"] as? String } == ["prioritize", "purge"])
        #expect(list.allSatisfy { $0["finished"] as? Bool == true })
        #expect(try self.martlet("bulk", "show", "2").output.contains("queue default"))
        #expect(try self.martlet("bulk", "show", "9").code == 1)
        #expect(try self.martlet("jobs", "cancel").code == 2)
        #expect(try self.martlet("jobs", "delete", "--all").code == 2, "nobody can be asked")
        #expect(coordinator.stop() == 0)
    }

    @Test func anExportLosesNothing() throws {
        let coordinator = try self.coordinator()
        #expect(try self.martlet("submit", "t", "{\"n\": [1]}").code == 0)
        #expect(try self.martlet("submit", "u", "-q", "other", "[]").code == 0)
        let lines = try self.martlet("jobs", "export", "--queue", "default").objects()
        #expect(lines.count == 1 && lines[0]["id"] as? String == "1" && lines[0]["state"] as? String == "ready")
        #expect((lines[0]["payload"] as? [String: [Int]]) == ["n": [1]])
        #expect((lines[0]["attempts"] as? [Any])?.isEmpty == true)
        #expect(try self.martlet("jobs", "export").objects().count == 2)
        #expect(coordinator.stop() == 0)
    }

    @Test func aPauseIsShownAndEnds() throws {
        let coordinator = try self.coordinator()
        #expect(try self.martlet("submit", "t").code == 0)
        #expect(try self.martlet("queues", "pause", "default").output == "queue default paused\n")
        #expect(try self.martlet("types", "pause", "t").output == "type t paused\n")
        #expect(try self.martlet("queues").output.contains("PAUSED"))
        let queue = try #require(try self.martlet("queues", "--json").objects().first)
        #expect(queue["queuePausedSince"] is String && queue["typePausedSince"] is String)
        #expect(try self.martlet("queues", "pause", "default").output == "", "it is already")
        #expect(try self.martlet("queues", "resume", "default").output == "queue default resumed\n")
        #expect(try self.martlet("types", "resume", "t").output == "type t resumed\n")
        #expect(try !self.martlet("queues").output.contains("PAUSED"))
        #expect(coordinator.stop() == 0)
    }
}
