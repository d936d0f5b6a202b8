import Foundation
import Testing

/// Workflows and batches, by the commands.
@Suite(.timeLimit(.minutes(2))) struct GroupCommandTests {
    private let folder: Folder

    init() throws {
        self.folder = try Folder()
    }

    private func martlet(_ arguments: String...) throws -> Run { try Run(arguments, in: self.folder.url) }

    /// What it prints, however long ago things were.
    private func timeless(_ arguments: String...) throws -> String {
        try Run(arguments, in: self.folder.url).output.replacing(/\d+\w+( \d+\w+)? ago/, with: "now")
    }

    private func coordinator() throws -> Server {
        try self.folder.writeConfiguration()
        let coordinator = try Server(["coordinator"], in: self.folder.url)
        try coordinator.wait(for: "nodes are served")
        return coordinator
    }

    /// A program that works on all types: those whose name ends in "bad" fail for good.
    private func worker(_ types: String...) throws -> Server {
        let script = "case $MARTLET_TYPE in *bad) echo broken >&2; exit 65;; esac"
        let worker = try Server(
            ["worker", "-s", "4", "--name", "w", "--exec", script] + types.flatMap { ["-t", $0] }, in: self.folder.url)
        try worker.wait(for: "registered")
        return worker
    }

    private func waitForWorkflow(_ id: String) throws {
        while try self.martlet("workflow", "show", id, "--json").objects().first?["finishedAt"] is NSNull {}
    }

    private static let video = """
        {"name": "encode", "type": "encode", "payload": {"video": 7}}

        {"name": "publish", "type": "publish", "after": ["thumbnails", "transcript"]}
        {"name": "thumbnails", "type": "picture", "after": "encode", "maxAttempts": 2}
        {"name": "transcript", "type": "transcribe", "after": "encode", "queue": "slow"}
        {"name": "sorry", "type": "mail", "afterFailure": "encode"}
        {"type": "archive", "afterEnd": "publish"}
        """

    @Test func aWorkflowIsSubmittedAndShownAsATree() throws {
        let coordinator = try self.coordinator()
        try self.folder.write(Self.video, to: "video.jsonl")
        #expect(try self.martlet("workflow", "list").errors == "There are no workflows.\n")
        #expect(try self.martlet("workflow", "submit", "video 7", "video.jsonl").output == "1\n")
        #expect(
            try self.timeless("workflow", "show", "1") == """
                video 7  workflow 1, 0 of 6 jobs ended, begun now
                └─ ○ encode  1  ready
                   ├─ ◌ thumbnails  3  blocked
                   ├─ ◌ transcript  4  blocked
                   │  └─ ◌ publish  2  blocked  also after thumbnails
                   │     └─ ◌ archive  6  blocked  (end)
                   └─ ◌ sorry  5  blocked  (failure)

                """)
        let worker = try self.worker("encode", "publish", "picture", "transcribe", "mail", "archive")
        try self.waitForWorkflow("1")
        let after = try self.timeless("workflow", "show", "1")
        #expect(after.hasPrefix("video 7  workflow 1, 6 of 6 jobs ended, ended now"), "\(after)")
        #expect(after.contains("✓ publish  2  succeeded"))
        #expect(
            after.contains("– sorry  5  cancelled now  (failure)  not needed: encode (job 1) succeeded"), "\(after)")
        let list = try self.martlet("workflow", "list").output.split(separator: "\n")
        #expect(list.count == 2 && list[1].contains("video 7") && list[1].contains("succeeded"))
        let detail = try #require(try self.martlet("workflow", "show", "1", "--json").objects().first)
        let steps = try #require(detail["steps"] as? [[String: Any]])
        #expect(steps.map { $0["name"] as? String }.prefix(2) == ["encode", "publish"])
        let parents = try #require(steps[5]["parents"] as? [[String: String]])
        #expect(parents == [["id": "2", "kind": "onEnd"]])
        #expect(worker.stop() == 0)
        #expect(coordinator.stop() == 0)
    }

    /// The file of the guide to workflows.
    @Test func theGuidesFileIsAWorkflow() throws {
        let coordinator = try self.coordinator()
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Examples/Programs/video.jsonl")
        #expect(try self.martlet("workflow", "submit", "video 7", file.path).output == "1\n")
        let steps = try self.martlet("workflow", "show", "1", "--json").objects().first?["steps"] as? [[String: Any]]
        #expect(steps?.map { $0["name"] as? String }.last == "tidy-up" && steps?.count == 6)
        #expect((steps?.last?["parents"] as? [[String: String]])?.map { $0["kind"] } == ["onEnd", "onEnd"])
        #expect(coordinator.stop() == 0)
    }

    @Test func whatDoesNotSucceedIsSeenInTheTree() throws {
        let coordinator = try self.coordinator()
        let lines = """
            {"name": "encode", "type": "bad"}
            {"name": "publish", "type": "good", "after": "encode"}
            {"name": "sorry", "type": "good", "afterFailure": "encode"}
            """
        let submit = try Run(["workflow", "submit", "v", "-", "--json"], in: self.folder.url, input: lines)
        let id = try #require(try submit.objects().first?["id"] as? String)
        #expect(try submit.objects().first?["jobs"] as? Int == 3)
        let worker = try self.worker("bad", "good")
        try self.waitForWorkflow(id)
        let tree = try self.timeless("workflow", "show", id)
        #expect(tree.contains("3 of 3 jobs ended, 2 failed"))
        #expect(tree.contains("✗ encode  1  dead now  exit 65: broken"), "\(tree)")
        #expect(tree.contains("– publish  2  cancelled now  parent failed: encode (job 1) ended as dead"), "\(tree)")
        #expect(tree.contains("✓ sorry  3  succeeded"))
        #expect(try self.martlet("workflow", "list").output.contains("failed"))
        #expect(worker.stop() == 0)
        #expect(coordinator.stop() == 0)
    }

    /// Nothing of it is stored.
    @Test func aWorkflowThatMakesNoSenseIsRefused() throws {
        let coordinator = try self.coordinator()
        #expect(try self.martlet("submit", "t", "--unique", "k").output == "1\n")
        for (lines, text) in [
            (
                "{\"name\": \"a\", \"type\": \"t\", \"after\": \"b\"}\n{\"name\": \"b\", \"type\": \"t\", \"after\": \"a\"}",
                "the workflow has a cycle: \"a\" after \"b\" after \"a\""
            ),
            (
                "{\"name\": \"encode\", \"type\": \"t\"}\n{\"type\": \"t\", \"after\": \"encoed\"}",
                "standard input:2: \"t\" waits for \"encoed\", which no line is called; did you mean \"encode\"?"
            ),
            (
                "{\"name\": \"a\", \"type\": \"t\"}\n{\"name\": \"a\", \"type\": \"u\"}",
                "two jobs of the workflow are called \"a\""
            ),
            (
                "{\"name\": \"a\", \"type\": \"t\", \"after\": 5}",
                "standard input:1: \"after\" is a number, not a string"
            ),
            ("{\"type\": \"t\", \"aftr\": \"a\"}", "standard input:1: unknown key \"aftr\"; did you mean \"after\"?"),
            ("", "a workflow has 1 to 10000 jobs, not 0"),
        ] {
            let run = try Run(["workflow", "submit", "w", "-"], in: self.folder.url, input: lines)
            #expect(run.code == 65 && run.output == "")
            #expect(run.errors.contains(text), "\(run.errors)")
        }
        let taken = try Run(
            ["workflow", "submit", "w", "-"], in: self.folder.url, input: "{\"type\": \"t\", \"unique\": \"k\"}")
        #expect(taken.code == 1 && taken.errors.contains("job 1"), "\(taken.errors)")
        #expect(try self.martlet("workflow", "submit", "w", "none.jsonl").code == 66)
        #expect(try self.martlet("workflow", "submit", "w").code == 2)
        #expect(try self.martlet("jobs", "list", "--json").objects().count == 1)
        #expect(try self.martlet("workflow", "show", "99").errors.contains("workflow 99 is not there"))
        #expect(try self.martlet("workflow", "show", "99").code == 1)
        #expect(try self.martlet("workflow", "show", "x").code == 2)
        #expect(try self.martlet("workflow", "list", "--limit", "0").code == 2)
        #expect(coordinator.stop() == 0)
    }

    @Test func aBatchIsOpenedFilledClosedAndWatched() async throws {
        let coordinator = try self.coordinator()
        #expect(try self.martlet("batch", "list").errors == "There are no batches.\n")
        let open = try self.martlet(
            "batch", "open", "account 7", "--on-end", "report", "--on-death", "call", "--payload", "{\"account\": 7}")
        #expect(open.output == "1\n")
        try self.folder.write((0..<20).map { "{\"n\": \($0)}" }.joined(separator: "\n"), to: "jobs.jsonl")
        #expect(try self.martlet("submit", "--from", "jobs.jsonl", "--type", "file", "--batch", "1").code == 0)
        #expect(try self.martlet("submit", "bad", "--batch", "1").code == 0)
        let shown = try self.timeless("batch", "show", "1").split(separator: "\n")
        #expect(shown.count == 3 && shown[0] == "account 7  batch 1, open, opened now")
        #expect(shown[1].hasSuffix("  0% of 21 jobs") && shown[2] == "21 pending, 0 succeeded")
        #expect(try self.martlet("batch", "close", "1").output.contains("batch 1, closed"))
        #expect(try self.martlet("batch", "close", "1").code == 0, "it may be repeated")
        let late = try self.martlet("submit", "file", "--batch", "1")
        #expect(late.code == 1 && late.errors.contains("batch 1"), "\(late.errors)")

        // It watches until the last job has ended, whenever that is.
        let folder = self.folder.url
        let watch = Task.detached { try Run(["batch", "show", "1", "--watch"], in: folder) }
        let worker = try self.worker("file", "bad", "report", "call")
        let watched = try await watch.value
        #expect(watched.code == 0)
        let page = watched.output.split(separator: "\n")
        #expect(page.count == 3 && page[0].hasPrefix("account 7  batch 1, ended, ended "), "\(watched.output)")
        #expect(page[1].hasSuffix("  100% of 21 jobs") && page[2] == "0 pending, 20 succeeded, 1 dead")
        #expect(try self.martlet("batch", "show", "1", "--watch", "--json").objects().first?["dead"] as? Int == 1)

        let list = try self.martlet("batch", "list", "--json").objects()
        #expect(list.count == 1 && list[0]["closed"] as? Bool == true && list[0]["total"] as? Int == 21)
        #expect(worker.stop() == 0)
        #expect(coordinator.stop() == 0)
    }

    @Test func batchesWithinBatchesEndTogetherAndCanBeCancelled() throws {
        let coordinator = try self.coordinator()
        #expect(try self.martlet("batch", "open", "year").output == "1\n")
        #expect(try self.martlet("batch", "open", "march", "--within", "1").output == "2\n")
        #expect(try self.martlet("submit", "file", "--batch", "2").code == 0)
        #expect(try self.martlet("batch", "show", "2").output.contains(", within batch 1"))
        #expect(try self.martlet("batch", "close", "2").code == 0)
        #expect(try self.martlet("batch", "close", "1").output.contains("1 pending"))
        #expect(try self.martlet("jobs", "cancel", "--batch", "2").output == "1 job cancelled\n")
        let year = try #require(try self.martlet("batch", "show", "1", "--json").objects().first)
        #expect(year["finishedAt"] is String && year["pending"] as? Int == 0)
        #expect(try self.martlet("batch", "list").output.split(separator: "\n").count == 3)
        // A batch without jobs ends when it is closed.
        #expect(try self.martlet("batch", "open", "empty").code == 0)
        #expect(try self.timeless("batch", "close", "4").contains("succeeded, ended now"))
        #expect(coordinator.stop() == 0)
    }

    @Test func aBatchThatIsNotThereIsSaidToBeSo() throws {
        let coordinator = try self.coordinator()
        for arguments in [
            ["show", "99"], ["show", "99", "--watch"], ["close", "99"], ["open", "x", "--within", "99"],
        ] {
            let run = try Run(["batch"] + arguments, in: self.folder.url)
            #expect(run.code == 1 && run.output == "", "\(arguments)")
            #expect(run.errors.hasPrefix("martlet: ") && run.errors.contains("batch 99"), "\(run.errors)")
        }
        #expect(try self.martlet("submit", "t", "--batch", "99").code == 1)
        for arguments in [
            ["show", "x"], ["close"], ["show", "1", "2"], ["open", "x", "--within", "y"],
            ["open", "x", "--on-end", "a b"],
        ] {
            #expect(try Run(["batch"] + arguments, in: self.folder.url).code == 2, "\(arguments)")
        }
        #expect(try self.martlet("batch", "open", "x", "--on-end", "t", "--payload", "{").code == 65)
        #expect(try self.martlet("batch", "open", "").code == 65)
        #expect(try self.martlet("jobs", "list", "--json").objects().isEmpty, "nothing was stored")
        #expect(coordinator.stop() == 0)
        #expect(try self.martlet("batch", "show", "1", "--wait", "200ms").code == 69)
    }
}
