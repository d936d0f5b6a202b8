import Foundation
import MartletCoordinator
import MartletCore
import MartletHTTP
import MartletRuntime
import MartletStore
import Testing

/// The API under `/v1`, over real sockets.
@Suite struct APITests {
    private static func post(
        _ bench: HTTPBench, _ target: String, _ body: String, headers: [String: String] = [:]
    ) async throws -> RawAnswer {
        let headers = ["Content-Type": "application/json"].merging(headers) { $1 }
        return try await bench.ask("POST", target, headers: headers, body: body)
    }

    private static func jobs(_ answer: RawAnswer) throws -> [[String: Any]] {
        try answer.object()["jobs"] as? [[String: Any]] ?? []
    }

    @Test func aJobIsCreatedAndFound() async throws {
        try await HTTPBench.run { bench in
            let answer = try await Self.post(
                bench, "/v1/jobs", "{\"type\": \"mail\", \"queue\": \"a/b\", \"payload\": {\"to\": \"ann\"}}")
            #expect(answer.status == 201)
            let location = try #require(answer.headers["location"])
            let shown = try await bench.ask("GET", location).object()
            #expect(shown["type"] as? String == "mail" && shown["state"] as? String == "ready")
            #expect((shown["payload"] as? [String: String]) == ["to": "ann"])
            #expect("/v1/jobs/\(shown["id"] as? String ?? "")" == location)
            // A name with a slash is one segment.
            let queue = try await bench.ask("GET", "/v1/queues/a%2Fb").object()
            #expect(queue["runnable"] as? Int == 1)
        }
    }

    @Test func aListIsCreatedAsAWholeOrNotAtAll() async throws {
        try await HTTPBench.run { bench in
            let refused = try await Self.post(bench, "/v1/jobs", "[{\"type\": \"a\"}, {\"type\": \"b\", \"prio\": 1}]")
            #expect(refused.status == 400 && refused.body.contains("job 1: unknown key"))
            #expect(try Self.jobs(await bench.ask("GET", "/v1/jobs")).isEmpty)
            let answer = try await Self.post(bench, "/v1/jobs", "[{\"type\": \"a\"}, {\"type\": \"b\"}]")
            #expect(answer.status == 201 && answer.headers["location"] == nil)
            #expect(try Self.jobs(answer).count == 2)
        }
    }

    /// Also while the first one is on its way.
    @Test func aKeyCreatesOnce() async throws {
        try await HTTPBench.run { bench in
            let key = ["Idempotency-Key": "order-17"]
            async let one = Self.post(bench, "/v1/jobs", "{\"type\": \"a\"}", headers: key)
            async let other = Self.post(bench, "/v1/jobs", "{\"type\": \"a\"}", headers: key)
            let (first, second) = try await (one, other)
            #expect(first.status == 201 && second.status == 201 && first.body == second.body)
            let replayed = [first, second].count { $0.headers["idempotent-replayed"] == "true" }
            #expect(replayed == 1)
            #expect(try Self.jobs(await bench.ask("GET", "/v1/jobs")).count == 1)
            let reused = try await Self.post(bench, "/v1/jobs", "{\"type\": \"b\"}", headers: key)
            #expect(reused.status == 422 && reused.code == "keyReused")
            let otherKey = try await Self.post(
                bench, "/v1/jobs", "{\"type\": \"a\"}", headers: ["Idempotency-Key": "order-18"])
            #expect(otherKey.body != first.body)
        }
    }

    @Test func aUniqueKeySaysWhoHasIt() async throws {
        try await HTTPBench.run { bench in
            let first = try await Self.post(bench, "/v1/jobs", "{\"type\": \"a\", \"unique\": \"u\"}")
            let again = try await Self.post(bench, "/v1/jobs", "{\"type\": \"a\", \"unique\": \"u\"}")
            #expect(again.status == 200 && again.headers["location"] == first.headers["location"])
            let refused = try await Self.post(
                bench, "/v1/jobs", "{\"type\": \"a\", \"unique\": \"u\", \"onDuplicate\": \"refuse\"}")
            #expect(refused.status == 409 && refused.code == "duplicate")
        }
    }

    @Test func linesAreTakenInGroups() async throws {
        try await HTTPBench.run { bench in
            let lines = (0..<2500).map { "{\"type\": \"a\", \"payload\": \($0)}\n" }.joined()
            let headers = ["Content-Type": "application/x-ndjson", "Idempotency-Key": "import-1"]
            let answer = try await Self.post(bench, "/v1/jobs", lines, headers: headers)
            #expect(answer.status == 200)
            let object = try answer.object()
            #expect(object["accepted"] as? Int == 2500)
            #expect((object["ranges"] as? [[String: Any]])?.compactMap { $0["count"] as? Int } == [1000, 1000, 500])
            // The same again creates nothing.
            let again = try await Self.post(bench, "/v1/jobs", lines, headers: headers)
            #expect(again.body == answer.body)
            let queues = try await bench.ask("GET", "/v1/queues").object()["queues"] as? [[String: Any]]
            #expect(queues?.first?["submittedTotal"] as? Int == 2500)
        }
    }

    /// What came before a bad line is durable, and the answer says how much that is.
    @Test func aBadLineIsNamed() async throws {
        try await HTTPBench.run { bench in
            var lines = Array(repeating: "{\"type\": \"a\"}\n", count: 1500)
            lines[1200] = "{\"type\": 5}\n"
            let answer = try await Self.post(
                bench, "/v1/jobs", lines.joined(), headers: ["Content-Type": "application/x-ndjson"])
            #expect(answer.status == 400)
            let object = try answer.object()
            #expect(object["line"] as? Int == 1201 && object["accepted"] as? Int == 1000)
        }
    }

    @Test func pagesFollowEachOther() async throws {
        try await HTTPBench.run { bench in
            let list = "[" + (0..<25).map { _ in "{\"type\": \"a\", \"tags\": [\"red\"]}" }.joined(separator: ",") + "]"
            _ = try await Self.post(bench, "/v1/jobs", list)
            _ = try await Self.post(bench, "/v1/jobs", "{\"type\": \"b\"}")
            var seen: [String] = []
            var next: String?
            repeat {
                let cursor = next.map { "&after=\($0)" } ?? ""
                let page = try await bench.ask("GET", "/v1/jobs?limit=10&tag=red&type=a\(cursor)")
                seen += try Self.jobs(page).compactMap { $0["id"] as? String }
                next = try page.object()["next"] as? String
            } while next != nil
            #expect(seen.count == 25 && Set(seen).count == 25)
            #expect(try await bench.ask("GET", "/v1/jobs?state=sleeping").status == 400)
        }
    }

    @Test func aJobIsCancelledAndRemoved() async throws {
        try await HTTPBench.run { bench in
            let location = try #require(
                try await Self.post(bench, "/v1/jobs", "{\"type\": \"a\"}").headers["location"])
            #expect(try await bench.ask("DELETE", location).status == 409)
            #expect(try await bench.ask("POST", "\(location)/cancel").status == 200)
            let again = try await bench.ask("POST", "\(location)/cancel")
            #expect(again.status == 409 && again.body.contains("it is cancelled"))
            #expect(try await bench.ask("DELETE", location).status == 204)
            #expect(try await bench.ask("GET", location).status == 404)
        }
    }

    @Test func manyJobsAreChangedAtOnceIfSomebodySaysWhich() async throws {
        try await HTTPBench.run { bench in
            _ = try await Self.post(bench, "/v1/jobs", "[{\"type\": \"a\"}, {\"type\": \"a\"}, {\"type\": \"b\"}]")
            let all = try await Self.post(bench, "/v1/operations", "{\"action\": \"cancel\", \"selection\": {}}")
            #expect(all.status == 400)
            let dry = try await Self.post(
                bench, "/v1/operations", "{\"action\": \"cancel\", \"selection\": {\"type\": \"a\"}, \"dryRun\": true}")
            #expect(try dry.object()["count"] as? Int == 2)
            let done = try await Self.post(
                bench, "/v1/operations", "{\"action\": \"cancel\", \"selection\": {\"type\": \"a\"}}")
            #expect(try done.object()["count"] as? Int == 2)
            let left = try await bench.ask("GET", "/v1/jobs?state=ready")
            #expect(try Self.jobs(left).compactMap { $0["type"] as? String } == ["b"])
        }
    }

    @Test func whatIsPausedIsSaid() async throws {
        try await HTTPBench.run { bench in
            _ = try await Self.post(bench, "/v1/jobs", "{\"type\": \"a\", \"queue\": \"q\"}")
            #expect(try await bench.ask("POST", "/v1/queues/q/pause").object()["paused"] as? Bool == true)
            let explained = try await bench.ask("GET", "/v1/queues/q").object()
            #expect(explained["queue"] as? String == "q")
            #expect(try await bench.ask("POST", "/v1/queues/q/resume").object()["changed"] as? Bool == true)
        }
    }

    @Test func servicesAndSchedulesAreAsInTheConfiguration() async throws {
        try await HTTPBench.run { bench in
            let json = ["Content-Type": "application/json"]
            let unknown = try await bench.ask("PUT", "/v1/services/maps", headers: json, body: "{\"rate\": 5}")
            #expect(unknown.status == 404)
            let added = try await bench.ask("PUT", "/v1/services/maps?new=true", headers: json, body: "{\"rate\": 5}")
            #expect(added.status == 200)
            let bad = try await bench.ask("PUT", "/v1/services/maps", headers: json, body: "{\"rate\": 0}")
            #expect(bad.status == 400 && bad.body.contains("rate"))
            let put = try await bench.ask(
                "PUT", "/v1/schedules/nightly", headers: json, body: "{\"cron\": \"0 3 * * *\", \"type\": \"clean\"}")
            #expect(try put.object()["changed"] as? Bool == true)
            let ran = try await bench.ask("POST", "/v1/schedules/nightly/run")
            #expect((try ran.object()["runs"] as? [Any])?.count == 1)
            #expect(try await bench.ask("DELETE", "/v1/schedules/nightly").status == 204)
            #expect(try await bench.ask("GET", "/v1/schedules/nightly").status == 404)
        }
    }

    @Test func batchesAndWorkflowsAreMade() async throws {
        try await HTTPBench.run { bench in
            let batch = try await Self.post(
                bench, "/v1/batches", "{\"name\": \"import\", \"onEnd\": {\"type\": \"done\"}}")
            let place = try #require(batch.headers["location"])
            let id = try #require(place.split(separator: "/").last)
            _ = try await Self.post(bench, "/v1/jobs?batch=\(id)", "[{\"type\": \"a\"}, {\"type\": \"a\"}]")
            #expect(try await bench.ask("GET", place).object()["total"] as? Int == 2)
            #expect(try await bench.ask("POST", "\(place)/close").object()["closed"] as? Bool == true)
            let workflow = try await Self.post(
                bench, "/v1/workflows",
                "{\"name\": \"w\", \"jobs\": [{\"type\": \"b\", \"after\": \"one\"}, {\"type\": \"a\", \"name\": \"one\"}]}"
            )
            #expect(workflow.status == 201)
            let detail = try await bench.ask("GET", try #require(workflow.headers["location"])).object()
            let steps = try #require(detail["steps"] as? [[String: Any]])
            #expect(steps.compactMap { $0["name"] as? String } == ["b", "one"])
            #expect((steps[0]["parents"] as? [Any])?.count == 1)
        }
    }

    /// Roles: one that may look must not change, one that may submit must not cancel.
    @Test func rolesDecide() async throws {
        let tokens = AccessTokens([
            (Array("reads-everything-0001".utf8), .read), (Array("submits-jobs-00000001".utf8), .submit),
            (Array("does-everything-000001".utf8), .admin),
        ])
        try await HTTPBench.run(HTTPSettings(port: 0, tokens: tokens)) { bench in
            let read = ["Authorization": "Bearer reads-everything-0001"]
            let submit = ["Authorization": "Bearer submits-jobs-00000001"]
            let admin = ["Authorization": "Bearer does-everything-000001"]
            let refused = try await Self.post(bench, "/v1/jobs", "{\"type\": \"a\"}", headers: read)
            #expect(refused.status == 403 && refused.code == "forbidden")
            #expect(try await Self.post(bench, "/v1/jobs", "{\"type\": \"a\"}", headers: submit).status == 201)
            #expect(try await bench.ask("POST", "/v1/jobs/1/cancel", headers: submit).status == 403)
            #expect(try await bench.ask("POST", "/v1/jobs/1/cancel", headers: admin).status == 200)
            #expect(try await bench.ask("GET", "/v1/jobs", headers: read).status == 200)
            #expect(try await bench.ask("GET", "/v1/openapi.json").status == 200)
        }
    }

    @Test func bodiesAreBoundedAndOfAKind() async throws {
        try await HTTPBench.run(HTTPSettings(port: 0, bodyMax: 4096, bodiesMax: 8192)) { bench in
            let long = "{\"type\": \"a\", \"payload\": \"\(String(repeating: "x", count: 5000))\"}"
            #expect(try await Self.post(bench, "/v1/jobs", long).status == 413)
            let chunked = try await bench.ask(
                "POST", "/v1/jobs", headers: ["Content-Type": "application/json", "Transfer-Encoding": "chunked"],
                body: "\(String(long.utf8.count, radix: 16))\r\n\(long)\r\n0\r\n\r\n")
            #expect(chunked.status == 413)
            let text = try await bench.ask("POST", "/v1/jobs", headers: ["Content-Type": "text/plain"], body: "x")
            #expect(text.status == 415)
            #expect(try await Self.post(bench, "/v1/jobs", "{\"type\": ").status == 400)
            #expect(try await Self.post(bench, "/v1/jobs", "").status == 400)
        }
    }

    /// Who does not take an answer is cut off, and others are served meanwhile.
    @Test func aSlowReaderHoldsNobodyUp() async throws {
        let settings = HTTPSettings(
            port: 0, bodyMax: 16 << 20, times: HTTPTimes(send: .milliseconds(500)))
        try await HTTPBench.run(settings) { bench in
            let payload = String(repeating: "x", count: 1 << 20)
            let location = try #require(
                try await Self.post(bench, "/v1/jobs", "{\"type\": \"a\", \"payload\": \"\(payload)\"}")
                    .headers["location"])
            let slow = try bench.connect(receiveBuffer: 4096)
            for _ in 0..<12 { try slow.send(RawConnection.request("GET", location, body: nil)) }
            let start = ContinuousClock.now
            var isCut = false
            while !isCut, ContinuousClock.now - start < .seconds(20) {
                #expect(try await bench.ask("GET", "/healthz").status == 200)
                try await bench.loop.sleep(for: .milliseconds(100))
                isCut = try await bench.ask("GET", "/metrics").body
                    .contains("martlet_http_timeouts_total{phase=\"send\"} 1")
            }
            #expect(isCut)
        }
    }

    @Test func theDescriptionNamesEveryRoute() async throws {
        try await HTTPBench.run(coordinator: nil) { bench in
            let document = try await bench.ask("GET", "/v1/openapi.json").object()
            #expect(document["openapi"] as? String == "3.1.0")
            let paths = try #require(document["paths"] as? [String: [String: Any]])
            #expect(paths["/v1/jobs"]?.keys.sorted() == ["get", "post"])
            #expect(paths.values.reduce(0) { $0 + $1.count } > 35)
            // While the coordinator starts, what needs it is refused as such.
            let early = try await bench.ask("GET", "/v1/jobs")
            #expect(early.status == 503 && early.headers["retry-after"] != nil)
        }
    }

    @Test func whoeverWatchesSeesChanges() async throws {
        try await HTTPBench.run { bench in
            let watcher = try bench.connect()
            try watcher.send(RawConnection.request("GET", "/v1/events", body: nil))
            func event(containing text: String) async throws {
                try await blocking {
                    while try !watcher.line().contains(text) {}
                }
            }
            try await event(containing: "\"submittedTotal\":0")
            _ = try await Self.post(bench, "/v1/jobs", "[{\"type\": \"a\"}, {\"type\": \"a\"}]")
            try await event(containing: "\"submittedTotal\":2")
            // It is no exchange that keeps the process from ending: the bench would not.
        }
    }

    @Test func thePageHoldsNoDataAndRunsNothing() async throws {
        try await HTTPBench.run(coordinator: nil) { bench in
            let page = try await bench.ask("GET", "/")
            #expect(page.status == 200 && page.body.contains("<h1>Martlet</h1>"))
            #expect(page.headers["content-security-policy"]?.contains("default-src 'self'") == true)
        }
    }
}
