import Foundation
import Testing

@Suite(.timeLimit(.minutes(1))) struct LimitsCommandTests {
    private let folder: Folder

    init() throws {
        self.folder = try Folder()
    }

    private func simulate(_ arguments: String...) throws -> Run {
        try Run(["limits", "simulate"] + arguments, in: self.folder.url)
    }

    @Test func forecastNeedsNoCoordinator() throws {
        let run = try self.simulate("--rate", "100", "--burst", "20", "--backlog", "250000", "--weight", "2")
        #expect(run.code == 0, "\(run.errors)")
        #expect(run.output.hasPrefix("250,000 jobs of 2 tokens each:\n"))
        let row = try #require(run.output.split(separator: "\n").last)
        #expect(row.contains("100 per 1s, burst 20  ") && row.contains("1h 23m") && row.contains("50.0"))
        #expect(row.hasSuffix("100 per 1s"))
    }

    @Test func serviceOfTheFileIsComparedWithTheChange() throws {
        try self.folder.writeConfiguration("\"services\": {\"stripe\": {\"rate\": 100, \"concurrency\": 50}}")
        let run = try self.simulate(
            "stripe", "--rate", "200", "--backlog", "1000", "--mean-time", "1s", "--json")
        let cases = try run.objects()
        #expect(cases.map { $0["case"] as? String } == ["now", "then"])
        #expect(cases.map { $0["heldBy"] as? String } == ["places", "places"], "the slots are the limit already")
        let same = try self.simulate("stripe", "--backlog", "1000", "--json").objects()
        #expect(same.count == 1)
        #expect(same[0]["lastStartSeconds"] as? Double == 10)
        #expect(same[0]["quartersSeconds"] as? [Double] == [2.5, 5, 7.5])
        #expect(same[0]["places"] as? Int == 50)
    }

    @Test(arguments: [
        (["--backlog", "5"], 2, "nothing limits the jobs"),
        (["--rate", "5"], 2, "--backlog is missing"),
        (["--rate", "0", "--backlog", "5"], 2, "--rate: \"0\" is not a number from 1"),
        (["--burst", "5", "--backlog", "5"], 2, "--rate is missing"),
        (["--rate", "5", "--backlog", "5", "--weight", "3"], 65, "a burst of 1 never holds the 3 tokens of one job"),
        (["strpe", "--backlog", "5"], 65, "did you mean \"stripe\"?"),
        (["--rate", "5", "--backlog", "900000000"], 65, "ask for a smaller backlog"),
    ])
    func whatMakesNoSenseIsRefused(arguments: [String], code: Int32, text: String) throws {
        try self.folder.writeConfiguration("\"services\": {\"stripe\": {\"rate\": 100}}")
        let run = try Run(["limits", "simulate"] + arguments, in: self.folder.url)
        #expect(run.code == code)
        #expect(run.errors.contains(text), "\(run.errors)")
    }
}
