import Foundation
import Testing

/// Limits of services shown, changed and explained by the commands.
@Suite(.timeLimit(.minutes(2))) struct ServiceCommandTests {
    private let folder: Folder

    init() throws {
        self.folder = try Folder()
    }

    private static func services(_ rate: Int) -> String {
        """
        "services": {"stripe": {"rate": \(rate), "per": "1m", "burst": 1}},
        "jobTypes": {"charge": {"services": {"stripe": 1}}}
        """
    }

    private func martlet(_ arguments: String...) throws -> Run {
        try Run(arguments, in: self.folder.url, environment: ["USER": "ann"])
    }

    private func coordinator() throws -> Server {
        try self.folder.writeConfiguration(Self.services(1))
        let coordinator = try Server(["coordinator"], in: self.folder.url)
        try coordinator.wait(for: "nodes are served")
        return coordinator
    }

    @Test func limitsAreShownChangedAndRemembered() throws {
        let coordinator = try self.coordinator()
        let list = try #require(try self.martlet("limits", "list", "--json").objects().first)
        #expect(list["service"] as? String == "stripe" && list["tokens"] as? Int == 0)
        #expect(
            try self.martlet("limits", "set", "stripe", "--rate", "200", "--burst", "20").output
                == "stripe: 200 per 1m, burst 20 (before: 1 per 1m, burst 1)\n")
        #expect(
            try self.martlet("limits", "set", "stripe", "--also", "1000/1h/30", "--concurrency", "3").output
                .hasPrefix("stripe: 200 per 1m, burst 20; 1000 per 1h, burst 30; 3 at once (before:"))
        #expect(try self.martlet("limits", "pause", "stripe", "--as", "bob").output == "stripe: paused\n")
        #expect(try self.martlet("limits", "list").output.contains("paused"))
        #expect(try self.martlet("limits", "resume", "stripe").output == "stripe: resumed\n")
        #expect(
            try self.martlet("limits", "reset", "stripe").output == "stripe: back to cluster.json: 1 per 1m, burst 1\n")
        let history = try self.martlet("limits", "history", "--json").objects()
        #expect(history.map { $0["by"] as? String } == ["ann", "ann", "bob", "ann", "ann"])
        #expect(coordinator.stop() == 0)
    }

    @Test func whatMakesNoSenseIsRefusedWithTheReason() throws {
        let coordinator = try self.coordinator()
        let zero = try self.martlet("limits", "set", "stripe", "--rate", "0")
        #expect(zero.code != 0 && zero.errors.contains("a rate of 0 is out of range"))
        let same = try self.martlet("limits", "set", "stripe", "--rate", "60", "--per", "1m", "--also", "1/1s/1")
        #expect(same.code != 0 && same.errors.contains("says nothing"))
        #expect(try self.martlet("limits", "pause", "maps").errors.contains("no service \"maps\""))
        let unknown = try self.martlet("limits", "set", "strype", "--rate", "2")
        #expect(unknown.code != 0 && unknown.errors.contains("did you mean stripe? --new adds one"))
        let new = try self.martlet("limits", "set", "maps", "--rate", "2", "--new")
        #expect(new.output == "maps: new: 2 per 1s, burst 1\n")
        #expect(try self.martlet("submit", "t", "--service", "strype").errors.contains("stripe"))
        #expect(try self.martlet("submit", "t", "--service", "stripe:x").code == 2)
        #expect(try self.martlet("limits", "list").output.contains("1 per 1m, burst 1"))
        #expect(coordinator.stop() == 0)
    }

    @Test func aWaitingJobIsExplained() throws {
        let coordinator = try self.coordinator()
        #expect(try self.martlet("submit", "charge").output == "1\n")
        #expect(try self.martlet("explain", "1").output.contains("no connected worker serves type charge"))
        let worker = try Server(
            ["worker", "-t", "charge", "-t", "free", "-s", "1", "--name", "w", "--exec", "true"], in: self.folder.url)
        try worker.wait(for: "registered")
        #expect(try self.martlet("submit", "charge").output == "2\n")
        let job = try #require(try self.martlet("explain", "2", "--json").objects().first)
        #expect(job["reason"] as? String == "service tokens" && job["subject"] as? String == "stripe")
        #expect(job["ahead"] as? Int == 1 && job["startsInSeconds"] is Double)
        let text = try self.martlet("explain", "2").output
        #expect(text.contains("the tokens of service stripe are used up") && text.contains("at the earliest"))
        let queue = try #require(try self.martlet("explain", "--queue", "default", "--json").objects().first)
        #expect(queue["runnable"] as? Int == 0 && queue["blocked"] as? Int == 2)
        #expect(try self.martlet("explain", "--queue", "default").output.contains("2  the tokens of service stripe"))
        let watch = try self.martlet("limits", "watch", "--count", "2", "--interval", "100ms", "--json").objects()
        #expect(watch.count == 2 && watch[1]["waiting"] as? Int == 2)
        #expect(try self.martlet("limits", "watch", "--count", "1").output.contains("GRANTS/S"))
        #expect(try self.martlet("explain").code == 2)
        #expect(worker.stop() == 0)
        #expect(coordinator.stop() == 0)
    }

    @Test func aHangUpReadsTheFileAgain() throws {
        let coordinator = try self.coordinator()
        try self.folder.writeConfiguration(Self.services(7) + ", \"limits\": {\"nodesMax\": 9}")
        coordinator.send(SIGHUP)
        try coordinator.wait(for: "services.stripe: 1 per 1m, burst 1 -> 7 per 1m, burst 1")
        try coordinator.wait(for: "needs a restart")
        #expect(try self.martlet("limits", "list").output.contains("7 per 1m"))
        try self.folder.write("{ nonsense", to: "cluster.json")
        coordinator.send(SIGHUP)
        try coordinator.wait(for: "is not taken over")
        #expect(coordinator.stop() == 0)
    }
}
