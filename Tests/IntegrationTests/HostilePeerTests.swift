import Foundation
import Martlet
import MartletCore
import MartletWire
import Testing

extension IntegrationTests {
    @Test(.timeLimit(.minutes(2))) func garbageOnBothPortsDisturbsNobody() async throws {
        try await RealCluster.run(leases: .short) { cluster in
            let coordinator = try await cluster.startCoordinator()
            let client = try await cluster.connect()
            let ledger = Ledger()
            let node = try cluster.startNode("a", slots: 2)
            let gated = try #require(await ledger.submit(1, of: "gated", by: client))
            try await eventually("it runs") { cluster.runs.numbers(.begin) == gated }
            async let load: Void = ledger.load(tasks: 2, perSubmit: 5, milliseconds: 1, by: client)

            var held: [RawPeer] = []
            for address in [cluster.clientsAddress, cluster.nodesAddress] {
                try Self.disturb(address, holding: &held)
                for (frame, code) in Self.badFrames {
                    let peer = try RawPeer(address: address)
                    peer.say(RawPeer.greeting(RawPeer.request))
                    peer.ask(frame)
                    #expect(try peer.refusal().code == code)
                }
            }
            let goal = ledger.acknowledgedCount + 100
            try await eventually("submits go on") { ledger.acknowledgedCount >= goal }
            ledger.stop()
            await load
            // Newcomers are let in as well.
            _ = try cluster.startNode("b")
            try await cluster.waitForNodes("a", "b")
            try cluster.openGate(of: "a")
            try await cluster.checkAllEndedOnce(ledger)
            #expect(ledger.now.unknown.isEmpty && ledger.now.refused.isEmpty)
            #expect(cluster.runs.numbers(.begin).count { $0 == gated[0] } == 1, "the node kept its lease")
            #expect(node.log.split(separator: "\n").count { $0.contains(" registered") } == 1)
            #expect(coordinator.isRunning && held.count == 4)
            await client.close()
        }
    }

    /// Frames inside a valid message, and what they are answered.
    private static let badFrames: [(frame: [UInt8], code: ErrorReply.Code)] = {
        let magic: [UInt8] = [0x4D, 0x54, 0x4C, 0x54]
        return [
            ([], .malformedFrame),
            ([1, 2, 3], .malformedFrame),
            (Array(repeating: 0xFF, count: 4096), .malformedFrame),
            // A later version of the protocol.
            (magic + [200, 16, 0, 0, 0, 0, 0, 0], .unknownVersion),
            // Nothing is of this kind.
            (magic + [1, 99, 0, 0, 0, 0, 0, 0], .unknownKind),
            // A submit that claims four billion records.
            (magic + [1, 18, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF], .malformedFrame),
        ]
    }()

    /// Connections that never become one; some stay.
    private static func disturb(_ address: String, holding held: inout [RawPeer]) throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<10 {
            let peer = try RawPeer(address: address)
            peer.say((0..<4096).map { _ in UInt8.random(in: 0...255, using: &random) })
        }
        for _ in 0..<20 { try RawPeer(address: address).reset() }
        let publisher = try RawPeer(address: address)
        publisher.say(RawPeer.greeting(RawPeer.publish))
        // A message of nearly as many bytes as there are.
        let giant = try RawPeer(address: address)
        giant.say(RawPeer.greeting(RawPeer.request) + [0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3])
        held.append(try RawPeer(address: address))
        let half = try RawPeer(address: address)
        half.say(RawPeer.greeting(RawPeer.request) + [0, 0, 0])
        held.append(half)
    }
}
