import MartletConfiguration
import MartletCore
import Testing

@Suite struct RetentionSettingsTests {
    @Test func aQueueSaysWhatIsOtherwiseThanInTheOthers() throws {
        let json = """
            {"retain": {"dead": "30d", "cancelled": "forever"},
             "queues": {"a": {"retain": {"dead": "forever", "expired": "1h"}}, "b": {"retainSucceeded": "2h"},
                        "c": {"retainSucceeded": "2h", "retain": {"succeeded": "3h"}}, "d": {}}}
            """
        let configuration = try ClusterConfiguration(json: Array(json.utf8))
        let base = Retention(dead: .seconds(30 * 86400), cancelled: nil)
        #expect(configuration.retention == base)
        #expect(configuration.queues["a"]?.retention == Retention(dead: nil, cancelled: nil, expired: .seconds(3600)))
        #expect(configuration.queues["b"]?.retention.succeeded == .seconds(7200))
        #expect(configuration.queues["b"]?.retention.dead == base.dead)
        #expect(configuration.queues["c"]?.retention.succeeded == .seconds(10800))
        #expect(configuration.queues["d"]?.retention == base)
    }

    @Test func bytesAreBoundForEachQueue() throws {
        let json = """
            {"retain": {"bytesMax": "64MiB"},
             "queues": {"a": {"retain": {"bytesMax": "2GiB"}}, "b": {"retainSucceeded": "2h"},
                        "c": {"retain": {"bytesMax": "unlimited"}}}}
            """
        let configuration = try ClusterConfiguration(json: Array(json.utf8))
        #expect(configuration.retention.bytesMax == 64 << 20)
        #expect(configuration.queues["a"]?.retention.bytesMax == 2 << 30)
        #expect(configuration.queues["b"]?.retention.bytesMax == 64 << 20)
        #expect(configuration.queues["c"]?.retention.bytesMax == nil)
        #expect(Retention.standard.bytesMax == nil)
        let error = #expect(throws: ConfigurationError.self) {
            try ClusterConfiguration(json: Array("{\"retain\": {\"bytesMax\": \"1KiB\"}}".utf8))
        }
        #expect(error?.path == "retain.bytesMax")
    }

    @Test func aWrongTimeIsNamedWithItsPlace() {
        let error = #expect(throws: ConfigurationError.self) {
            try ClusterConfiguration(json: Array("{\"queues\": {\"a\": {\"retain\": {\"dead\": \"x\"}}}}".utf8))
        }
        #expect(error?.path == "queues.a.retain.dead")
    }
}
