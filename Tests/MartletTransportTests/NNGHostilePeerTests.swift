import MartletCore
import MartletObservability
import MartletRuntime
import Synchronization
import Testing

@testable import MartletTransport

#if canImport(Glibc)
    import Glibc
#endif

private let second = Duration.seconds(1)

/// What peers do that are broken, hostile, or not nng at all.
@Suite(.timeLimit(.minutes(1))) struct NNGHostilePeerTests {
    /// A frame of 2^60 bytes is announced: no memory is set aside, the peer is cut off, others are served.
    ///
    /// In a process of its own: memory is counted for a whole process, and here other tests run beside.
    @Test(arguments: [UInt64(1) << 60, (8 << 20) + 5, .max, .max - 31])
    func announcedGiantFrameIsRefused(length: UInt64) async {
        await #expect(processExitsWith: .success) { [length] in
            try await announceFrame(of: length)
        }
    }

    @Test(arguments: [
        Array("GET / HTTP/1.1\r\n\r\n".utf8), [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        // A publisher, which a REP socket does not talk to.
        [0, 0x53, 0x50, 0, 0, 0x20, 0, 0],
    ])
    func garbageGreetingHurtsNobody(greeting: [UInt8]) async throws {
        let harness = NNGHarness()
        try await harness.serving { listener in
            let client = try RawClient(port: listener.port)
            client.write(greeting)
            _ = client.read(9)
            try await harness.connected(to: listener.address) {
                _ = try await $0.request(Bytes("x"), timeout: second * 10)
            }
        }
    }

    /// Three bytes where a request number of four should be.
    @Test func truncatedRequestIsNotDelivered() async throws {
        let harness = NNGHarness()
        let events = Mailbox<ListenerEvent>()
        try await harness.serving(events.post) { listener in
            let client = try RawClient(port: listener.port)
            client.greet()
            _ = client.read(8)
            client.write([0, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3])
            #expect(client.read(1).isEmpty)
            async let reply = harness.connected(to: listener.address) {
                try await $0.request(Bytes("whole"), timeout: second * 10)
            }
            if case .request(let request)? = await events.next() {
                #expect(request.frame.text == "whole")
                request.reply(request.frame)
            }
            _ = try await reply
        }
    }

    @Test func connectionsOverTheirMaximumAreTurnedAway() async throws {
        let lines = Mailbox<String>()
        let log = Log { _, text, fields in lines.post("\(text) \(fields[0].value)") }
        let harness = NNGHarness(NNGOptions(connectionsMax: 2, watchdogInterval: .milliseconds(300)), log: log)
        try await harness.serving { listener in
            try await harness.connected(to: listener.address) { first in
                _ = try await first.request(Bytes("x"), timeout: second * 10)
                try await harness.connected(to: listener.address) { second in
                    _ = try await second.request(Bytes("x"), timeout: .seconds(10))
                    let third = try RawClient(port: listener.port)
                    third.greet()
                    #expect(third.read(9).count <= 8)
                    #expect(listener.statistics.connectionsRefused >= 1)
                    #expect(await lines.next()?.starts(with: "connections were turned away: too many") == true)
                    _ = try await second.request(Bytes("x"), timeout: .seconds(10))
                }
            }
        }
    }

    /// Peers that connect and abort at every stage of the greeting. In nng 1.5.2 a peer that says FIN and RST
    /// before the greeting is sent stops its listener for good; the watchdog brings it back.
    @Test func listenerSurvivesAStormOfAbortedConnections() async throws {
        let harness = NNGHarness(
            NNGOptions(
                reconnectDelay: .milliseconds(20) ... .milliseconds(50), watchdogInterval: .milliseconds(50),
                watchdogTimeout: .milliseconds(500)))
        try await harness.serving { listener in
            for round in 0..<200 {
                let client = try RawClient(port: listener.port)
                if round % 4 == 1 { client.write([0, 0x53]) }
                if round % 4 == 2 { client.greet() }
                if round % 4 == 3 { client.shutdownWriting() }
                client.abortOnClose()
            }
            try await harness.connected(to: listener.address) { connection in
                #expect(await answered(connection, "after the storm"), "\(listener.statistics)")
            }
        }
    }

    @Test(arguments: ["tcp://127.0.0.1:0", "ipc"])
    func deadListenerIsReplacedAtTheSameAddress(scheme: String) async throws {
        let lines = Mutex<[String]>([])
        let log = Log { _, text, _ in lines.withLock { $0.append("\(text)") } }
        let harness = NNGHarness(
            NNGOptions(
                reconnectDelay: .milliseconds(20) ... .milliseconds(50), watchdogInterval: .milliseconds(50),
                watchdogTimeout: .milliseconds(500)), log: log)
        let address = scheme == "ipc" ? NNGHarness.ipcAddress() : scheme
        try await harness.serving(at: address) { listener in
            try await harness.connected(to: listener.address) { connection in
                _ = try await connection.request(Bytes("before"), timeout: second * 10)
                await listener.breakForTest()
                #expect(await answered(connection, "after"))
            }
            #expect(listener.statistics.restarts == 1)
            #expect(listener.statistics.probesFailed >= 2)
            #expect(lines.withLock { $0 } == ["a listener had stopped accepting and was replaced"])
        }
    }

    @Test func listenerThatServesIsNotReplaced() async throws {
        let harness = NNGHarness(NNGOptions(watchdogInterval: .milliseconds(10)))
        try await harness.serving { listener in
            try await harness.connected(to: listener.address) { connection in
                while listener.statistics.probes < 5 {
                    _ = try await connection.request(Bytes("x"), timeout: second * 10)
                }
            }
            #expect(listener.statistics.restarts == 0)
            #expect(listener.statistics.probesFailed == 0)
        }
    }
}

/// Whether `text` is answered, asking again for as long as connections are lost under it.
private func answered(_ connection: any RequestConnection, _ text: String) async -> Bool {
    while true {
        switch await refusal({ try await connection.request(Bytes(text), timeout: .seconds(20)) }) {
        case nil: return true
        case .connectionLost: continue
        default: return false
        }
    }
}

/// Announces a frame to a listener, which refuses it.
private func announceFrame(of length: UInt64) async throws {
    let harness = NNGHarness()
    try await harness.serving { listener in
        let before = residentBytes()
        let client = try RawClient(port: listener.port)
        client.greet()
        #expect(client.read(8) == [0, 0x53, 0x50, 0, 0, 0x31, 0, 0])
        client.write((0..<8).map { UInt8(truncatingIfNeeded: length >> (56 - 8 * $0)) })
        client.write([0x80, 0, 0, 1, 1, 2, 3, 4])
        #expect(client.read(1).isEmpty)
        try await harness.connected(to: listener.address) {
            _ = try await $0.request(Bytes("x"), timeout: second * 10)
        }
        #expect(residentBytes() < before + 64 << 20)
    }
}

/// What this process has in memory.
private func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    guard fgets(&line, 256, file) != nil else { return 0 }
    let fields = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        .split(separator: " ")
    return (Int(fields[1]) ?? 0) * 4096
}
