import MartletCore
import Testing

@testable import MartletTransport

@Suite(.timeLimit(.minutes(1))) struct NNGInboxTests {
    private final class Request: IncomingRequest {
        let peer: PeerID
        let frame: Bytes

        init(_ peer: PeerID, _ text: String) {
            self.peer = peer
            self.frame = Bytes(text)
        }

        func reply(_ frame: Bytes) {}
    }

    private static func texts(_ events: [ListenerEvent]) -> [String] {
        events.map { event in
            switch event {
            case .request(let request): request.frame.text
            case .peerLost(let peer): "lost \(peer.rawValue)"
            }
        }
    }

    /// Delivers `text` as pipe `pipe`.
    private func deliver(_ text: String, from pipe: UInt32, to inbox: NNGInbox) -> Bool {
        inbox.deliver(from: pipe) { Request($0, text) }
    }

    @Test func burstIsFetchedAtOnce() async {
        let inbox = NNGInbox(connectionsMax: 10)
        #expect(inbox.connect(pipe: 70))
        for text in ["a", "b", "c"] { #expect(self.deliver(text, from: 70, to: inbox)) }
        inbox.disconnect(pipe: 70)
        #expect(Self.texts(await inbox.receive()) == ["a", "b", "c", "lost 1"])
    }

    /// The first event takes the waiter; until it comes back, the rest gathers without another wake.
    @Test func waiterIsWokenOnceForABurst() async {
        let inbox = NNGInbox(connectionsMax: 10)
        #expect(inbox.connect(pipe: 70))
        var fetched: [String] = []
        var wakes = 0
        await withTaskGroup(of: [ListenerEvent].self) { group in
            group.addTask { await inbox.receive() }
            while !inbox.hasWaiter { await Task.yield() }
            for number in 0..<100 { #expect(self.deliver("\(number)", from: 70, to: inbox)) }
            for await events in group {
                wakes += 1
                fetched += Self.texts(events)
            }
        }
        fetched += Self.texts(await inbox.receive())
        #expect(wakes == 1)
        #expect(fetched == (0..<100).map { "\($0)" })
    }

    @Test func lossOfAPeerThatWasNeverHeardIsNotTold() async {
        let inbox = NNGInbox(connectionsMax: 10)
        #expect(inbox.connect(pipe: 1) && inbox.connect(pipe: 2))
        #expect(self.deliver("x", from: 2, to: inbox))
        inbox.disconnect(pipe: 1)
        inbox.disconnect(pipe: 2)
        #expect(Self.texts(await inbox.receive()) == ["x", "lost 2"])
    }

    @Test func requestOfALostPeerIsDropped() async {
        let inbox = NNGInbox(connectionsMax: 10)
        #expect(inbox.connect(pipe: 1))
        inbox.disconnect(pipe: 1)
        #expect(!self.deliver("late", from: 1, to: inbox))
        #expect(inbox.statistics.requestsDropped == 1)
    }

    /// nng gives a pipe's number out again after 2^31 connections; the peer is another one.
    @Test func numberThatComesRoundAgainIsAnotherPeer() async {
        let inbox = NNGInbox(connectionsMax: 10)
        for _ in 0..<2 {
            #expect(inbox.connect(pipe: 9))
            #expect(self.deliver("x", from: 9, to: inbox))
            inbox.disconnect(pipe: 9)
        }
        #expect(Self.texts(await inbox.receive()) == ["x", "lost 1", "x", "lost 2"])
    }

    @Test func connectionsAreBounded() {
        let inbox = NNGInbox(connectionsMax: 2)
        #expect(inbox.connect(pipe: 1) && inbox.connect(pipe: 2))
        #expect(!inbox.connect(pipe: 3))
        // The refused one's end takes nobody's place away.
        inbox.disconnect(pipe: 3)
        #expect(inbox.statistics.connections == 2)
        inbox.disconnect(pipe: 1)
        #expect(inbox.connect(pipe: 4))
        #expect(inbox.statistics.connectionsRefused == 1)
    }

    @Test func nothingComesAfterTheClose() async {
        let inbox = NNGInbox(connectionsMax: 2)
        #expect(inbox.connect(pipe: 1))
        #expect(self.deliver("x", from: 1, to: inbox))
        inbox.close()
        #expect(!self.deliver("y", from: 1, to: inbox))
        inbox.disconnect(pipe: 1)
        #expect(await inbox.receive().isEmpty)
    }
}
