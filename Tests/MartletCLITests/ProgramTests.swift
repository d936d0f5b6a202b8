import Foundation
import Testing

/// What the guide to programs says of its script.
@Suite(.timeLimit(.minutes(2))) struct ProgramTests {
    private static let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Examples/Programs/shrink.sh")

    @Test func aScriptRunsJobsAsTheGuideSays() throws {
        let folder = try Folder()
        try folder.writeConfiguration(
            "\"jobTypes\": {\"picture.shrink\": {\"retry\": {\"initialBackoff\": \"10ms\", \"maxBackoff\": \"10ms\"}}}")
        func martlet(_ arguments: String...) throws -> Run { try Run(arguments, in: folder.url) }
        let coordinator = try Server(["coordinator"], in: folder.url)
        try coordinator.wait(for: "nodes are served")
        let worker = try Server(
            ["worker", "--type", "picture.shrink", "--result", "--name", "w", "--", Self.script.path], in: folder.url)
        try worker.wait(for: "registered")
        let submit = ["submit", "picture.shrink", "--meta", "customer=ada", "--await"]

        let cat = try Run(submit + ["{\"file\": \"cat.jpg\"}"], in: folder.url)
        #expect(cat.code == 0 && cat.output == "\"small-cat.jpg\"\n", "\(cat.errors)")
        let shy = try Run(submit + ["{\"file\": \"shy.jpg\"}"], in: folder.url)
        #expect(shy.code == 0 && shy.output == "\"small-shy.jpg\"\n", "the second attempt succeeds")
        let attempts = try #require(try martlet("jobs", "show", "2", "--json").objects().first?["attempts"])
        let first = try #require((attempts as? [[String: Any]])?.first)
        #expect(first["kind"] as? String == "exit 1")
        #expect(first["output"] as? String == "attempt 1 of job 2 for ada\n", "what it wrote is kept with the attempt")

        let text = try Run(submit + ["{\"file\": \"cat.txt\"}"], in: folder.url)
        #expect(text.code == 1 && text.errors.contains("exit 65 cat.txt is no picture"), "\(text.errors)")
        #expect(try martlet("jobs", "show", "3").output.contains("cat.txt is no picture"))
        #expect(worker.stop() == 0)
        #expect(coordinator.stop() == 0)
    }
}
