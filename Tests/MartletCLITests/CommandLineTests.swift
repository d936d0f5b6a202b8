import Foundation
import Testing

/// Port 9 is the discard service, which nobody runs.
private let nobody = "tcp://127.0.0.1:9"

@Suite struct CommandLineTests {
    private let folder: Folder

    init() throws {
        self.folder = try Folder()
    }

    @Test(
        arguments: [
            (["quues"], 2, "martlet: unknown command \"quues\"; did you mean \"queues\"?"),
            (["queues", "--quue", "x"], 2, "martlet: unknown option --quue; did you mean --queue?"),
            (
                ["jobs", "show", "abc"], 2,
                "martlet: \"abc\" is no job id; job ids are numbers, as \"martlet jobs list\" shows them"
            ),
            (["dead", "retry"], 2, "martlet: no jobs are named; give ids, options that say which, or --all"),
            (
                ["dead", "delete", "--all"], 2,
                "martlet: this needs a confirmation, but nobody can be asked here; add --yes"
            ),
            (
                ["submit", "--from", "x.jsonl", "--await"], 2,
                "martlet: --await goes with one job; leave it out, or submit one job"
            ),
            (
                ["submit", "t", "--at", "2026-12-24T18:00:00Z", "--delay", "1h"], 2,
                "martlet: --at and --delay say two things; leave one out"
            ),
            (
                ["submit", "t", "--at", "tomorrow"], 2,
                "martlet: --at: \"tomorrow\" is no time; write it such as 2026-12-24T18:00:00Z"
            ),
            (
                ["submit", "t", "--unique-for", "1h"], 2,
                "martlet: what is unique is not said; add a unique key"
            ),
            (
                ["queues", "--address", "localhost"], 2,
                "martlet: --address: \"localhost\" must begin with tcp:// or ipc://; write it as tcp://HOST:PORT"
            ),
            (
                ["queues", "--config", "none.json"], 66,
                "martlet: cannot read none.json: no such file; check the name, or leave it out to use the defaults"
            ),
            (
                ["nodes", "--address", nobody], 69,
                "martlet: cannot reach the coordinator at tcp://127.0.0.1:9: connection refused; start it with "
                    + "\"martlet coordinator\", or name another with --address"
            ),
        ] as [([String], Int32, String)])
    func failureIsOneLineWithCauseAndFix(arguments: [String], code: Int32, line: String) throws {
        let run = try Run(arguments, in: self.folder.url)
        #expect(run.errors == line + "\n")
        #expect(run.code == code)
        #expect(run.output == "")
    }

    @Test(arguments: [["coordinator"], ["queues"], ["doctor"]])
    func brokenConfigurationNamesPlaceAndFix(arguments: [String]) throws {
        try self.folder.write("{\n  \"leases\": {\"durration\": \"9s\"}\n}\n", to: "cluster.json")
        let run = try Run(arguments, in: self.folder.url)
        let problem = "cluster.json:2:14: leases.durration: unknown key"
        if arguments == ["doctor"] {
            #expect(run.output.hasPrefix("FAILED   configuration: \(problem)\n           did you mean \"duration\"?\n"))
            #expect(run.code == 1)
        } else {
            #expect(run.errors == "martlet: \(problem); did you mean \"duration\"?\n")
            #expect(run.code == 78)
        }
    }

    @Test func openListenerWithoutTokenIsRefused() throws {
        try self.folder.write("{\"listen\": {\"clients\": \"tcp://0.0.0.0:0\"}}", to: "cluster.json")
        let run = try Run(["coordinator"], in: self.folder.url)
        #expect(run.code == 78)
        #expect(run.errors.contains("listen.clients: tcp://0.0.0.0:0 is open to other machines, but there is no token"))
        #expect(run.errors.split(separator: "\n").count == 1)
    }

    @Test func missingTokenFileIsNamed() throws {
        try self.folder.write("{\"tokenFile\": \"secret\"}", to: "cluster.json")
        let run = try Run(["queues"], in: self.folder.url)
        #expect(run.errors.hasPrefix("martlet: cluster.json: tokenFile: cannot read secret: no such file; create it"))
        #expect(run.code == 66)
    }

    @Test func helpAndVersionGoToStandardOutput() throws {
        let help = try Run(["jobs", "list", "--help"], in: self.folder.url)
        #expect(help.code == 0)
        #expect(
            help.output.hasPrefix("martlet jobs list: list jobs, oldest first\n\nUsage: martlet jobs list [options]\n"))
        #expect(help.errors == "")
        #expect(!help.output.contains("\u{1B}"))
        let version = try Run(["--version"], in: self.folder.url)
        #expect(version.output.hasPrefix("martlet 0."))
    }

    @Test func colourComesOnDemandOnly() throws {
        let arguments = ["doctor", "--address", nobody]
        #expect(try !Run(arguments, in: self.folder.url).output.contains("\u{1B}["))
        #expect(try Run(arguments + ["--color=always"], in: self.folder.url).output.contains("\u{1B}["))
        let forced = try Run(arguments, in: self.folder.url, environment: ["CLICOLOR_FORCE": "1", "NO_COLOR": "1"])
        #expect(!forced.output.contains("\u{1B}["))
    }

    @Test func doctorFailsWithoutCoordinatorAndSaysWhy() throws {
        try self.folder.writeConfiguration()
        let run = try Run(["doctor", "--json", "--address", nobody], in: self.folder.url)
        #expect(run.code == 1)
        let lines = try run.output.split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
        let failed = lines.filter { $0["verdict"] as? String == "failed" }
        #expect(failed.map { $0["check"] as? String } == ["coordinator"])
        #expect((failed.first?["text"] as? String)?.hasSuffix("connection refused") == true)
    }
}
