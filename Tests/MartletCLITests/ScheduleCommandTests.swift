import Foundation
import Testing

/// Recurring jobs, by the commands.
@Suite(.timeLimit(.minutes(2))) struct ScheduleCommandTests {
    private let folder: Folder

    init() throws {
        self.folder = try Folder()
    }

    private func martlet(_ arguments: String...) throws -> Run { try Run(arguments, in: self.folder.url) }

    private func coordinator(_ more: String = "") throws -> Server {
        try self.folder.writeConfiguration(more)
        let coordinator = try Server(["coordinator"], in: self.folder.url)
        try coordinator.wait(for: "nodes are served")
        return coordinator
    }

    @Test func anExpressionIsPreviewedWithoutACoordinator() throws {
        let run = try self.martlet(
            "schedules", "next", "30 2 * * *", "--zone", "Europe/Berlin", "--count", "3", "--from",
            "2024-03-29T12:00:00Z")
        let instants = run.output.split(separator: "\n").map { $0.prefix(25) }
        #expect(
            instants == ["2024-03-30T02:30:00+01:00", "2024-03-31T03:00:00+02:00", "2024-04-01T02:30:00+02:00"])
        let json = try self.martlet("schedules", "next", "@every 90s", "--count", "1", "--json").objects()
        #expect((json.first?["instant"] as? String)?.hasSuffix("Z") == true)
        let skipped = try self.martlet(
            "schedules", "next", "30 2 * * *", "--zone", "Europe/Berlin", "--count", "1", "--from",
            "2024-03-30T12:00:00Z", "--daylight-saving", "skip")
        #expect(skipped.output.hasPrefix("2024-04-01T02:30:00+02:00"))
    }

    @Test(arguments: [
        (["schedules", "next", "61 * * * *"], "minute \"61\""),
        (["schedules", "next", "@daily", "--zone", "Berlin"], "did you mean \"Europe/Berlin\"?"),
        (["schedules", "put", "a", "--type", "t", "--cron", "0 0 30 2 *"], "nothing was stored"),
        (["schedules", "put", "a", "--type", "t", "--cron", "@daily", "--zone", "Nowhere/Land"], "no such time zone"),
        (["schedules", "put", "a", "{", "--type", "t", "--every", "1h"], "not valid JSON"),
    ])
    func whatMakesNoSenseIsSaidAtOnce(arguments: [String], text: String) throws {
        let run = try Run(arguments, in: self.folder.url)
        #expect(run.code == 65)
        #expect(run.errors.contains(text), "\(run.errors)")
    }

    @Test func aScheduleIsDefinedWatchedAndRun() throws {
        let coordinator = try self.coordinator()
        let put = ["schedules", "put", "nightly", "--cron", "0 3 * * *", "--type", "clean", "{\"days\":30}"]
        #expect(try Run(put, in: self.folder.url).output.hasPrefix("schedule nightly is stored; next "))
        #expect(try Run(put, in: self.folder.url).errors.contains("just so already"))
        let list = try self.martlet("schedules", "list", "--json").objects()
        #expect(list.map { $0["name"] as? String } == ["nightly"])
        #expect(list.first?["origin"] as? String == "client")
        #expect(try self.martlet("schedules", "run", "nightly").output == "1\n")
        let detail = try #require(try self.martlet("schedules", "show", "nightly", "--json").objects().first)
        #expect((detail["payload"] as? [String: Int]) == ["days": 30])
        #expect((detail["runs"] as? [Any])?.count == 1 && (detail["instants"] as? [Any])?.count == 5)
        #expect(try self.martlet("schedules", "show", "nightly").output.contains("job         clean in queue default"))
        let backfill = [
            "schedules", "backfill", "nightly", "--from", "2024-01-01T00:00:00Z", "--to", "2024-01-08T00:00:00Z",
        ]
        #expect(try Run(backfill, in: self.folder.url).output == "7 jobs submitted\n")
        #expect(try Run(backfill, in: self.folder.url).errors.contains("7 instants had a run before."))
        #expect(
            try self.martlet("schedules", "next", "nightly", "--count", "2").output.split(separator: "\n").count == 2)
        #expect(try self.martlet("schedules", "pause", "nightly").output == "schedule nightly paused\n")
        #expect(try self.martlet("schedules", "list").output.contains("paused"))
        #expect(try self.martlet("schedules", "resume", "nightly").output == "schedule nightly resumed\n")
        #expect(try self.martlet("schedules", "delete", "nightly").output == "schedule nightly deleted\n")
        let gone = try self.martlet("schedules", "show", "nightly")
        #expect(gone.code == 1 && gone.errors.contains("there is no schedule nightly"))
        #expect(coordinator.stop() == 0)
    }

    @Test func schedulesOfTheFileAreThereAndChangedThere() throws {
        let coordinator = try self.coordinator(
            "\"schedules\": {\"beat\": {\"every\": \"1h\", \"type\": \"tick\"}}")
        while try self.martlet("schedules", "list", "--json").objects().isEmpty {}
        let put = try self.martlet("schedules", "put", "beat", "--every", "2h", "--type", "tick")
        #expect(put.code == 1 && put.errors.contains("cluster.json"))
        #expect(try self.martlet("schedules", "delete", "beat").code == 1)
        #expect(coordinator.stop() == 0)
        let again = try self.coordinator()
        while try !self.martlet("schedules", "list", "--json").objects().isEmpty {}
        #expect(again.stop() == 0)
    }
}
