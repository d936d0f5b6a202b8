import MartletTransport
import Testing

@Suite struct TransportAddressTests {
    @Test(arguments: [
        ("tcp://127.0.0.1:7400", TransportAddress.Endpoint.tcp(host: "127.0.0.1", port: 7400)),
        ("tcp://*:0", .tcp(host: "*", port: 0)),
        ("tcp://[::1]:65535", .tcp(host: "::1", port: 65535)),
        ("tcp://node-1.example.com:80", .tcp(host: "node-1.example.com", port: 80)),
        ("ipc:///run/martlet.sock", .ipc(path: "/run/martlet.sock")),
    ])
    func goodAddressIsReadAndWrittenBack(text: String, endpoint: TransportAddress.Endpoint) throws {
        let address = try TransportAddress(parsing: text)
        #expect(address.endpoint == endpoint)
        #expect(address.description == text)
    }

    @Test(arguments: [
        "", "tcp://", "tcp://:7400", "tcp://host", "tcp://host:", "tcp://host:65536", "tcp://host:-1", "tcp://host:+1",
        "tcp://host:７", "tcp://::1:7400", "tcp://[::1:7400", "tcp://[]:1", "tcp://[host]:1", "tcp://ho st:1",
        "tcp://host/path:1", "udp://host:1", "inproc://x", "ws://host:1", "ipc://", "ipc://relative", "ipc:///",
        "ipc:///folder/", "ipc:///a\0b", "TCP://host:1",
    ])
    func badAddressIsRefused(text: String) {
        let error = #expect(throws: TransportError.self) { try TransportAddress(parsing: text) }
        #expect(error?.code == .addressInvalid)
        #expect(error?.message.contains(": ") == true)
    }

    @Test func pathFitsASocket() throws {
        let longest = "/" + String(repeating: "x", count: TransportAddress.ipcPathBytesMax - 1)
        _ = try TransportAddress(parsing: "ipc://\(longest)")
        #expect(throws: TransportError.self) { try TransportAddress(parsing: "ipc://\(longest)x") }
    }

    @Test(arguments: [
        ("ipc:///run/m.sock", true), ("tcp://127.0.0.1:1", true), ("tcp://127.255.0.9:1", true),
        ("tcp://[::1]:1", true), ("tcp://localhost:1", true), ("tcp://LocalHost:1", true),
        ("tcp://0.0.0.0:1", false), ("tcp://*:1", false), ("tcp://[::]:1", false), ("tcp://10.0.0.1:1", false),
        ("tcp://127.0.0.1.example.com:1", false), ("tcp://localhost.example.com:1", false), ("tcp://127.1:1", false),
        ("tcp://[::ffff:10.0.0.1]:1", false),
    ])
    func loopbackIsTold(text: String, expected: Bool) throws {
        #expect(try TransportAddress(parsing: text).isLoopback == expected)
    }
}
