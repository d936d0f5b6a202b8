import Foundation
import MartletConfiguration
import MartletCore
import Testing

/// The shipped files, found from this source file.
private func shipped(_ name: String) throws -> [UInt8] {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    return [UInt8](try Data(contentsOf: root.appending(path: name)))
}

@Suite struct SchemaTests {
    private let schema: JSONSchema

    init() throws {
        self.schema = JSONSchema(root: try JSONReader.value(of: shipped("deploy/cluster.schema.json")))
    }

    @Test func shippedConfigurationIsValid() throws {
        let source = try shipped("cluster.json")
        #expect(self.schema.problem(in: try JSONReader.value(of: source)) == nil)
        #expect(try ClusterConfiguration(json: source) == ClusterConfiguration())
    }

    /// What docs/scheduling.md shows.
    @Test func theExampleOfSchedulesIsValid() throws {
        let source = try shipped("Examples/schedules.cluster.json")
        #expect(self.schema.problem(in: try JSONReader.value(of: source)) == nil)
        let schedules = try ClusterConfiguration(json: source).schedules
        #expect(schedules.map(\.name) == ["nightly", "quarter-hour"])
        #expect(schedules.map(\.recurrence) == ["0 3 * * *", "@every 15m"])
    }

    /// What the guide on service limits shows.
    @Test func theExampleOfServicesIsValid() throws {
        let source = try shipped("Examples/services.cluster.json")
        #expect(self.schema.problem(in: try JSONReader.value(of: source)) == nil)
        let configuration = try ClusterConfiguration(json: source)
        #expect(configuration.services.keys.sorted() == ["mail", "maps", "stripe"])
        #expect(configuration.jobTypes["charge"]?.services == [ServiceUse("stripe", weight: 2)])
    }

    /// What the guide on fairness shows.
    @Test func theExamplesConfigurationIsValid() throws {
        let source = try shipped("Examples/shop.cluster.json")
        #expect(self.schema.problem(in: try JSONReader.value(of: source)) == nil)
        let configuration = try ClusterConfiguration(json: source)
        #expect(configuration.queues["mail"]?.groups == ["big": 4, "trial": 1])
        #expect(configuration.queues["suppliers"]?.keyConcurrency == 1)
        #expect(configuration.jobTypes["catalogue.import"]?.concurrency == 2)
    }

    /// What the guide to control, operations and the README show.
    @Test func theOtherExamplesAreValid() throws {
        let sources = try ["retention", "limits", "machines", "http"].map { try shipped("Examples/\($0).cluster.json") }
        for source in sources { #expect(self.schema.problem(in: try JSONReader.value(of: source)) == nil) }
        let billing = try #require(try ClusterConfiguration(json: sources[0]).queues["billing"]?.retention)
        #expect(billing.succeeded == .seconds(90 * 86400) && billing.dead == .seconds(86400))
        let limits = try ClusterConfiguration(json: sources[1])
        #expect(limits.queues["imports"]?.concurrency == 20 && limits.jobTypes["report"]?.concurrency == 5)
        #expect(try ClusterConfiguration(json: sources[2]).tokenFile == "/etc/martlet/token")
        let http = try ClusterConfiguration(json: sources[3]).http
        #expect(http.hosts == ["jobs.internal"] && http.tokens.admin == "/etc/martlet/http-admin.tokens")
    }

    /// What is documented is what is read.
    @Test func schemaHasTheKeysThatAreRead() {
        #expect(self.schema.keys() == ClusterConfiguration.keys.mapValues { $0.sorted() })
    }

    @Test func everyKeyIsDescribed() {
        #expect(self.schema.undescribedKeys() == [])
    }

    /// A file made of the schema's defaults alone says what an empty file says.
    @Test func documentedDefaultsAreTheDefaults() throws {
        let json = self.schema.defaults()
        for key in ["payloadMax", "heartbeatInterval", "initialBackoff", "retainSucceeded", "drainTimeout", "kind"] {
            #expect(json.contains("\"\(key)\""))
        }
        let configuration = try ClusterConfiguration(json: Array(json.utf8))
        let expected = try ClusterConfiguration(queues: ["any": .init()], jobTypes: ["any": .init()])
        #expect(configuration == expected)
    }

    @Test(arguments: [
        "{}", "{\"limits\": {\"payloadMax\": \"2MiB\", \"nodesMax\": 5}}",
        "{\"listen\": {\"clients\": \"tcp://[::1]:1\"}}",
        "{\"queues\": {\"a\": {\"leaseDuration\": \"1m30s\"}}}", "{\"store\": {\"kind\": \"memory\"}}",
        "{\"jobTypes\": {\"a/b\": {\"retry\": {\"jitter\": 0, \"maxAttempts\": 1}}}}",
        "{\"worker\": {\"prefetchMax\": 0}}",
        "{\"queues\": {\"a\": {\"concurrency\": 5, \"keyConcurrency\": 1, \"groups\": {\"big\": 4, \"\": 2}}}}",
        "{\"jobTypes\": {\"a\": {\"concurrency\": 1}}}",
        "{\"retain\": {\"dead\": \"30d\", \"succeeded\": \"forever\"}}",
        "{\"queues\": {\"a\": {\"retain\": {\"expired\": \"0s\", \"cancelled\": \"1h\"}}}}",
        "{\"schedules\": {\"nightly\": {\"cron\": \"0 3 * * *\", \"zone\": \"Europe/Berlin\", \"type\": \"clean\"}}}",
        "{\"schedules\": {\"a\": {\"every\": \"90s\", \"type\": \"b\", \"payload\": [1], \"missed\": \"all:24\"}}}",
        "{\"schedules\": {\"a\": {\"every\": \"1h\", \"type\": \"b\", \"end\": \"2026-12-24T18:00:00Z\"}}}",
        "{\"services\": {\"a\": {\"rate\": 5, \"adaptive\": {\"enabled\": false}, \"breaker\": {\"failures\": 3}}}}",
        "{\"services\": {\"a\": {\"concurrency\": 5}}, \"jobTypes\": {\"b\": {\"services\": {\"a\": 2}}}}",
        "{\"http\": {\"listen\": \"off\"}}", "{\"http\": {\"listen\": \"http://[::1]:80\", \"bodyMax\": \"1MiB\"}}",
        "{\"http\": {\"listen\": \"http://0.0.0.0:80\", \"tokens\": {\"read\": \"r\"}, \"origins\": [\"https://a.b\"]}}",
        "{\"services\": {\"a\": {\"perKey\": {\"rate\": 1, \"limits\": [{\"rate\": 90, \"per\": \"1h\"}], \"keysMax\": 2}}}}",
    ])
    func acceptsWhatTheLoaderAccepts(json: String) throws {
        let source = Array(json.utf8)
        _ = try ClusterConfiguration(json: source)
        #expect(self.schema.problem(in: try JSONReader.value(of: source)) == nil)
    }

    @Test(arguments: [
        "[]", "{\"x\": 1}", "{\"limits\": {\"payloadMax\": 5}}", "{\"limits\": {\"payloadMax\": \"5\"}}",
        "{\"limits\": {\"nodesMax\": 0}}", "{\"limits\": {\"nodesMax\": 1.5}}", "{\"listen\": {\"clients\": \"x\"}}",
        "{\"queues\": {\"a b\": {}}}", "{\"queues\": {\"a\": {\"leaseDuration\": \"1 s\"}}}", "{\"tokenFile\": \"\"}",
        "{\"store\": {\"kind\": \"disk\"}}", "{\"store\": {\"kind\": \"memory\", \"path\": \"x\"}}",
        "{\"jobTypes\": {\"a\": {\"retry\": {\"jitter\": 2}}}}", "{\"worker\": {\"slots\": \"2\"}}",
        "{\"http\": {\"listen\": \"tcp://127.0.0.1:1\"}}", "{\"http\": {\"hosts\": [\"http://a\"]}}",
        "{\"http\": {\"connectionsMax\": 3}}", "{\"http\": {\"origins\": [\"https://a.b/c\"]}}",
        "{\"http\": {\"tokens\": {\"read\": \"\"}}}", "{\"http\": {\"tokens\": {\"write\": \"a\"}}}",
        "{\"queues\": {\"a\": {\"concurrency\": 0}}}", "{\"queues\": {\"a\": {\"keyConcurrency\": \"1\"}}}",
        "{\"queues\": {\"a\": {\"groups\": {\"b\": 0}}}}", "{\"queues\": {\"a\": {\"groups\": {\"b\": 1001}}}}",
        "{\"schedules\": {\"a\": {\"cron\": \"0 3 * * *\"}}}", "{\"schedules\": {\"a\": {\"type\": \"b\"}}}",
        "{\"schedules\": {\"a\": {\"cron\": \"0 3 * * *\", \"every\": \"1h\", \"type\": \"b\"}}}",
        "{\"schedules\": {\"a\": {\"every\": \"1h\", \"type\": \"b\", \"missed\": \"all:0\"}}}",
        "{\"schedules\": {\"a\": {\"every\": \"1h\", \"type\": \"b\", \"overlap\": \"queue\"}}}",
        "{\"schedules\": {\"a\": {\"every\": \"1h\", \"type\": \"b\", \"start\": \"tomorrow\"}}}",
        "{\"schedules\": {\"a b\": {\"every\": \"1h\", \"type\": \"b\"}}}",
        "{\"services\": {\"a\": {\"rate\": 0}}}", "{\"services\": {\"a\": {\"rate\": -1}}}",
        "{\"services\": {\"a\": {\"rate\": 5, \"burst\": 0}}}", "{\"services\": {\"a/b\": {\"rate\": 5}}}",
        "{\"services\": {\"a\": {\"limits\": [{\"per\": \"1s\"}]}}}", "{\"services\": {\"a\": {\"limits\": {}}}}",
        "{\"services\": {\"a\": {\"rate\": 5, \"adaptive\": {\"floor\": 0}}}}",
        "{\"services\": {\"a\": {\"rate\": 5, \"breaker\": {\"enabled\": 1}}}}",
        "{\"jobTypes\": {\"a\": {\"services\": {\"b\": 0}}}}",
        "{\"retain\": {\"dead\": \"always\"}}", "{\"retain\": {\"running\": \"1d\"}}",
        "{\"queues\": {\"a\": {\"groups\": {\"b\": 1.5}}}}", "{\"jobTypes\": {\"a\": {\"concurrency\": -1}}}",
    ])
    func refusesWhatTheLoaderRefuses(json: String) throws {
        let source = Array(json.utf8)
        #expect(throws: ConfigurationError.self) { try ClusterConfiguration(json: source) }
        #expect(self.schema.problem(in: try JSONReader.value(of: source)) != nil)
    }
}
