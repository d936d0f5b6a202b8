import Martlet
import MartletCore
import MartletJSON
import Testing

@testable import MartletCLI

private func job(
    _ line: String, _ defaults: JobDefaults = JobDefaults(), payloadMax: Int = 1000
) throws(JobLine.Problem) -> RawJob? {
    try JobLine.rawJob(from: Array(line.utf8), defaults: defaults, payloadMax: payloadMax)
}

@Suite struct JobLineTests {
    @Test func lineIsThePayloadIfTheTypeIsGiven() throws {
        let read = try #require(
            try job(" {\"to\": \"ann\", \"type\": 5} ", JobDefaults(type: "mail.send", queue: "mail")))
        #expect(read == RawJob(type: "mail.send", queue: "mail", payload: Payload("{\"to\": \"ann\", \"type\": 5}")))
    }

    @Test func lineNamesEverythingElse() throws {
        let read = try #require(
            try job(
                "{\"type\": \"a\", \"queue\": \"q\", \"payload\": [1,  {}], \"delay\": \"5s\", \"priority\": 9, "
                    + "\"maxAttempts\": 3, \"timeout\": \"1m\"}"))
        let options = JobOptions(
            priority: .highest, timeout: .seconds(60), retry: RetryPolicy(maxAttempts: 3))
        #expect(
            read
                == RawJob(type: "a", queue: "q", payload: Payload("[1,  {}]"), delay: .seconds(5), options: options))
    }

    @Test func leavesOutWhatTheLineLeavesOut() throws {
        var defaults = JobDefaults(queue: "other", delay: .seconds(1), maxAttempts: 2)
        defaults.retryPolicies = [
            "a": RetryPolicy(maxAttempts: 9, initialBackoff: .seconds(7), maxBackoff: .seconds(8))
        ]
        let read = try #require(try job("{\"type\": \"a\"}", defaults))
        #expect(read.queue == "other")
        #expect(read.delay == .seconds(1))
        #expect(read.payload == Payload("{}"))
        #expect(
            read.options.retry
                == RetryPolicy(maxAttempts: 2, initialBackoff: .seconds(7), maxBackoff: .seconds(8)))
        #expect(read.options.timeout == nil)
    }

    @Test(arguments: ["", "  ", "\t"])
    func emptyLineIsNoJob(line: String) throws {
        #expect(try job(line) == nil)
    }

    @Test(arguments: [
        ("{\"type\": \"a\"", "not valid JSON: expected ',' or '}' (column 13)", "correct the line"),
        ("{\"tpye\": \"a\"}", "unknown key \"tpye\"", "did you mean \"type\"?"),
        ("{\"payload\": 1}", "the key \"type\" is missing", "add it, or give --type"),
        (
            "[]", "a job is an object such as {\"type\": \"mail.send\", \"payload\": {}}",
            "or give --type, so that each line is a payload"
        ),
        ("{\"type\": 5}", "\"type\" is a number, not a string", "put it in double quotes"),
        (
            "{\"type\": \"a b\"}", "\"type\" has a character other than letters, digits and . _ - : /",
            "use up to 128 letters, digits and . _ - : /"
        ),
        ("{\"type\": \"a\", \"priority\": 10}", "\"priority\" is no whole number from 0 to 9", "correct the number"),
        ("{\"type\": \"a\", \"delay\": 5}", "\"delay\" is no duration from 0s to 3650d", "write it such as \"15s\""),
        (
            "{\"type\": \"a\", \"type\": \"b\"}", "not valid JSON: \"type\" is given twice (column 15)",
            "correct the line"
        ),
    ])
    func namesCauseAndFix(line: String, cause: String, fix: String) {
        #expect(throws: JobLine.Problem(cause: cause, fix: fix)) { try job(line) }
    }

    @Test func takesTheRareOptions() throws {
        let line = """
            {"type": "a", "at": "2026-12-24T18:00:00Z", "expiry": "5m", "unique": "k", "uniqueFor": "1h", \
            "onDuplicate": "replace", "group": "tenant 7", "key": "account", "ordered": true, "retention": "2h", \
            "tags": ["red", "blue"], "metadata": {"trace": "1", "empty": ""}, "services": ["stripe", "maps/a:b:2"]}
            """
        let found = try #require(try job(line))
        #expect(found.time == WallTime(microseconds: 1_798_135_200_000_000))
        #expect(found.options.expiry == .seconds(300))
        #expect(found.options.unique == UniqueKey("k", window: .afterSuccess(.seconds(3600)), conflict: .replace))
        #expect(found.options.group == "tenant 7" && found.options.key == "account" && found.options.isOrdered)
        #expect(found.options.retention == .seconds(7200) && found.options.tags == ["red", "blue"])
        #expect(found.options.metadata == ["trace": "1", "empty": ""])
        #expect(found.options.services == ["stripe", ServiceUse("maps", key: "a:b", weight: 2)])
    }

    @Test(arguments: [
        ("\"ordered\": true", "a job that is ordered needs a key to be ordered by", "correct it"),
        ("\"onDuplicate\": \"refuse\"", "what is unique is not said", "add a unique key"),
        ("\"onDuplicate\": \"drop\"", "\"onDuplicate\" is unknown: \"drop\"", "use existing, refuse or replace"),
        ("\"at\": \"noon\"", "at: \"noon\" is no time", "write it such as 2026-12-24T18:00:00Z"),
        (
            "\"tags\": [\"a b\"]", "the tag \"a b\" has a character other than letters, digits and . _ - : /",
            "correct it"
        ),
        (
            "\"services\": [\"a:b\"]", "the service \"a:b\" is not NAME/KEY:WEIGHT",
            "write stripe, stripe/tenant-7 or stripe/tenant-7:2"
        ),
        ("\"services\": [\"a:0\"]", "a weight on service a is 1 to 1000000, not 0", "correct it"),
        ("\"services\": [\"a\", \"a\"]", "service a is named twice; say the weights of both in one", "correct it"),
        ("\"services\": [\"a\", \"b\", \"c\", \"d\", \"e\"]", "a job uses at most 4 services, not 5", "correct it"),
        ("\"metadata\": 5", "\"metadata\" is a number, not an object", "write {\"name\": \"value\"}"),
    ])
    func saysWhatIsWrongWithRareOptions(member: String, cause: String, fix: String) {
        #expect(throws: JobLine.Problem(cause: cause, fix: fix)) { try job("{\"type\": \"a\", \(member)}") }
    }

    @Test func refusesPayloadsOverTheLimit() {
        let line = "{\"type\": \"a\", \"payload\": \"\(String(repeating: "x", count: 999))\"}"
        #expect(throws: JobLine.Problem.self) { try job(line) }
        #expect(throws: Never.self) { try job(line, payloadMax: 1001) }
    }
}

@Suite struct ExecHandlerTests {
    private func failure(_ ending: ChildOutcome.Ending, _ tail: String = "why") -> (any Error)? {
        do {
            try ExecHandler.check(ChildOutcome(ending: ending, errorTail: tail))
            return nil
        } catch {
            return error
        }
    }

    @Test func exitCodeBecomesTheVerdict() {
        #expect(self.failure(.exited(0)) == nil)
        #expect((self.failure(.exited(65)) as? NonRetryable)?.failure == JobFailure(kind: "exit 65", message: "why"))
        #expect((self.failure(.exited(3)) as? JobFailureError)?.failure == JobFailure(kind: "exit 3", message: "why"))
        #expect(
            (self.failure(.signalled(9)) as? JobFailureError)?.failure == JobFailure(kind: "signal 9", message: "why"))
        #expect(
            (self.failure(.notStarted("gone")) as? JobFailureError)?.failure
                == JobFailure(kind: "not started", message: "gone"))
    }

    @Test(
        arguments: [
            (75, "why", ServiceUnavailable()),
            (1, "{\"unavailable\": \"stripe\"}", ServiceUnavailable("stripe")),
            (
                75, "429\n{\"unavailable\": \"stripe\", \"retryAfter\": \"1m30s\"}\n",
                ServiceUnavailable("stripe", retryAfter: .seconds(90))
            ),
            (2, "{\"retryAfter\": 2.5, \"unavailable\": true}", ServiceUnavailable(retryAfter: .milliseconds(2500))),
            (75, "{\"unavailable\": \"no/name\"}", ServiceUnavailable()),
            (75, "{\"unavailable\": \"maps\", \"retryAfter\": -1}", ServiceUnavailable("maps")),
        ] as [(Int32, String, ServiceUnavailable)])
    func programSaysThatAServiceIsUnavailable(code: Int32, tail: String, error: ServiceUnavailable) {
        #expect(self.failure(.exited(code), tail) as? ServiceUnavailable == error)
    }

    @Test func otherLinesAndCodesSayNothingOfServices() {
        let line = "{\"unavailable\": \"stripe\"}"
        #expect(self.failure(.exited(0), line) == nil)
        #expect(self.failure(.exited(65), line) is NonRetryable)
        #expect(self.failure(.signalled(9), line) is JobFailureError)
        #expect(self.failure(.exited(1), line + "\nbye") is JobFailureError, "only the last line counts")
        #expect(self.failure(.exited(1), "{\"unavailable\": false}") is JobFailureError)
    }

    @Test func programsDoNotSeeTheClusterToken() {
        let handler = ExecHandler(
            command: ["true"], variables: ["MARTLET_TOKEN": "secret", "PATH": "/bin", "A": "1"],
            supervisor: ProcessSupervisor())
        #expect(handler.environment == ["A=1", "PATH=/bin"])
    }
}
