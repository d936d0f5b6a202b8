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

    @Test func aWrongTimeIsNamedWithItsPlace() {
        let error = #expect(throws: ConfigurationError.self) {
            try ClusterConfiguration(json: Array("{\"queues\": {\"a\": {\"retain\": {\"dead\": \"x\"}}}}".utf8))
        }
        #expect(error?.path == "queues.a.retain.dead")
    }
}
