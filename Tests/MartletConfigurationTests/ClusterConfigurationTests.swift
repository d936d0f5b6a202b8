import MartletConfiguration
import MartletCore
import Testing

private func read(_ json: String, hasToken: Bool = false) throws -> ClusterConfiguration {
    try ClusterConfiguration(json: Array(json.utf8), hasTokenInEnvironment: hasToken)
}

@Suite struct ClusterConfigurationTests {
    @Test func emptyFileIsTheDefaults() throws {
        let configuration = try read("{}")
        #expect(try configuration == ClusterConfiguration())
        #expect(configuration.listen.clients.description == "tcp://127.0.0.1:7400")
        #expect(configuration.listen.nodes.description == "tcp://127.0.0.1:7401")
        #expect(configuration.connect.clients == configuration.listen.clients)
        #expect(configuration.store == .sqlite(path: "martlet.db"))
        #expect(configuration.limits.payloadMax == 1 << 20)
        #expect(configuration.leases.duration == .seconds(15))
        #expect(configuration.worker.slots == 16)
    }

    @Test func readsEveryKey() throws {
        let configuration = try read(
            """
            {"listen": {"clients": "tcp://0.0.0.0:1", "nodes": "ipc:///run/n"}, "connect": {"nodes": "tcp://c:2"},
             "tokenFile": "token", "store": {"kind": "sqlite", "path": "/var/m.db"},
             "limits": {"payloadMax": "2MiB", "nodesMax": 7, "payloadCache": "8MiB", "pendingSubmitBytesMax": "9MiB",
                        "submitJobsMax": 11, "lanesMax": 12},
             "dispatch": {"stealing": false},
             "leases": {"heartbeatInterval": "100ms", "silentAfter": "2s", "duration": "3s"},
             "queues": {"mail.eu": {"leaseDuration": "1m", "retainSucceeded": "1d", "concurrency": 20,
                                     "keyConcurrency": 2, "groups": {"big": 4}}},
             "jobTypes": {"send": {"concurrency": 3, "timeout": "5s", "retry": {"maxAttempts": 3, "initialBackoff": "1s",
                          "maxBackoff": "2s", "jitter": 0.5}}, "plain": {}},
             "worker": {"slots": 2, "prefetchMax": 0, "drainTimeout": "4s"}}
            """)
        let expected = try ClusterConfiguration(
            listen: .init(
                clients: #require(EndpointAddress("tcp://0.0.0.0:1")), nodes: #require(EndpointAddress("ipc:///run/n"))),
            connect: .init(
                clients: #require(EndpointAddress("tcp://127.0.0.1:1")), nodes: #require(EndpointAddress("tcp://c:2"))),
            tokenFile: "token", store: .sqlite(path: "/var/m.db"),
            limits: .init(
                payloadMax: 2 << 20, nodesMax: 7, payloadCache: 8 << 20, pendingSubmitBytesMax: 9 << 20,
                submitJobsMax: 11, lanesMax: 12),
            leases: .init(heartbeatInterval: .milliseconds(100), silentAfter: .seconds(2), duration: .seconds(3)),
            dispatch: .init(stealing: false),
            queues: [
                "mail.eu": .init(
                    leaseDuration: .seconds(60), retention: Retention(succeeded: .seconds(86400)), concurrency: 20,
                    keyConcurrency: 2,
                    groups: ["big": 4])
            ],
            jobTypes: [
                "send": .init(
                    timeout: .seconds(5),
                    retry: RetryPolicy(
                        maxAttempts: 3, initialBackoff: .seconds(1), maxBackoff: .seconds(2), jitter: 0.5),
                    concurrency: 3),
                "plain": .init(),
            ],
            worker: .init(slots: 2, prefetchMax: 0, drainTimeout: .seconds(4)))
        #expect(configuration == expected)
    }

    @Test(arguments: [
        (
            "{\n  \"queues\": {\n    \"mail\": {\"leaseDuratoin\": \"9s\"}\n  }\n}",
            "cluster.json:3:14: queues.mail.leaseDuratoin: unknown key; did you mean \"leaseDuration\"?"
        ),
        (
            "{\"nonsense\": 1}",
            "cluster.json:1:2: nonsense: unknown key; known here: listen, connect, http, tokenFile, store, limits, leases, "
                + "dispatch, retain, queues, jobTypes, services, schedules, worker"
        ),
        (
            "{\"queues\": {\"mail\": {\"leaseDuration\": 3}}}",
            "cluster.json:1:22: queues.mail.leaseDuration: is the number 3, not a duration; write a number with a unit, "
                + "such as \"250ms\", \"15s\", \"30m\" or \"1h\""
        ),
        (
            "{\"queues\": {\"mail\": {\"leaseDuration\": \"3s\"}}}",
            "cluster.json:1:22: queues.mail.leaseDuration: 3s is not longer than leases.silentAfter (5s); make it longer, "
                + "for example 15s"
        ),
        (
            "{\"leases\": {\"silentAfter\": \"1s\"}}",
            "cluster.json:1:13: leases.silentAfter: 1s is not longer than leases.heartbeatInterval (1s); make it several "
                + "heartbeats long, for example 5s"
        ),
        (
            "{\"leases\": {\"silentAfter\": \"20s\"}}",
            "cluster.json:1:2: leases.duration: 15s is not longer than leases.silentAfter (20s); make it longer, for "
                + "example 1m"
        ),
        (
            "{\"limits\": {\"payloadMax\": \"64MiB\"}}",
            "cluster.json:1:13: limits.payloadMax: 64MiB is out of range; use 1KiB to 4MiB"
        ),
        (
            "{\"limits\": {\"payloadMax\": \"4MiB\", \"payloadCache\": \"2MiB\"}}",
            "cluster.json:1:35: limits.payloadCache: 2MiB cannot hold one payload of 4MiB; make it at least "
                + "limits.payloadMax"
        ),
        (
            "{\"worker\": {\"slots\": 0}}", "cluster.json:1:13: worker.slots: 0 is out of range; use 1 to 4096"
        ),
        (
            "{\"worker\": []}", "cluster.json:1:2: worker: is an array, not an object; write it as { ... }"
        ),
        (
            "{\"store\": {\"kind\": \"sqlit\"}}",
            "cluster.json:1:12: store.kind: unknown kind \"sqlit\"; did you mean \"sqlite\"?"
        ),
        (
            "{\"store\": {\"kind\": \"memory\", \"path\": \"x\"}}",
            "cluster.json:1:30: store.path: a store of kind \"memory\" has no file; remove the path, or set \"kind\" to "
                + "\"sqlite\""
        ),
        (
            "{\"listen\": {\"clients\": \"tcp://0.0.0.0:7400\"}}",
            "cluster.json:1:13: listen.clients: tcp://0.0.0.0:7400 is open to other machines, but there is no token; set "
                + "\"tokenFile\" (or MARTLET_TOKEN), or listen on 127.0.0.1"
        ),
        (
            "{\"listen\": {\"clients\": \"127.0.0.1:7400\"}}",
            "cluster.json:1:13: listen.clients: \"127.0.0.1:7400\" must begin with tcp:// or ipc://; write it as "
                + "tcp://HOST:PORT"
        ),
        (
            "{\"queues\": {\"a b\": {}}}",
            "cluster.json:1:13: queues.a b: the queue name has a character other than letters, digits and . _ - : /; use "
                + "up to 128 letters, digits and . _ - : /"
        ),
        (
            "{\"jobTypes\": {\"t\": {\"retry\": {\"initialBackoff\": \"7h\"}}}}",
            "cluster.json:1:21: jobTypes.t.retry.maxBackoff: must not be below initialBackoff; the values in force are "
                + "maxAttempts 15, initialBackoff 7h, maxBackoff 6h, jitter 0.25"
        ),
        (
            "{\n  \"worker\": {,}\n}",
            "cluster.json:2:14: not valid JSON: expected a name in quotes; correct the file there"
        ),
    ])
    func errorNamesPlaceCauseAndFix(json: String, line: String) {
        #expect { try read(json) } throws: { "\($0)" == line }
    }

    @Test func tokenInTheEnvironmentOpensTheListener() throws {
        let configuration = try read("{\"listen\": {\"clients\": \"tcp://0.0.0.0:7400\"}}", hasToken: true)
        #expect(configuration.connect.clients.description == "tcp://127.0.0.1:7400")
    }
}
