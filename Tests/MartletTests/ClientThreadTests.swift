import Martlet
import MartletCore
import MartletRuntime
import MartletTransport
import Synchronization
import Testing

@Suite struct ClientThreadTests {
    /// Each change of thread on the way of a submit is a wake that every job pays for.
    @Test func aSubmitStaysOnTheLoopUntilItIsSent() async throws {
        let loop = ThreadLoop(name: "client")
        let connection = Deaf(loop)
        let client = Client(connection: connection, loop: loop)
        await #expect(throws: MartletError.self) { try await client.submit(Greet(name: "Ada")) }
        await client.close()
        #expect(connection.wasOnLoop.withLock { $0 } == [true])
        loop.shutdown()
    }
}

/// A connection that is closed, and knows on which thread it was asked. Its code belongs to no actor, as nng's does not.
private final class Deaf: RequestConnection {
    let wasOnLoop = Mutex<[Bool]>([])
    private let loop: EventLoop

    init(_ loop: EventLoop) {
        self.loop = loop
    }

    @concurrent
    func request(_ frame: Bytes, timeout: Duration) async throws(TransportError) -> Bytes {
        self.wasOnLoop.withLock { $0.append(self.loop.isCurrent) }
        throw TransportError(.closed, "closed")
    }

    func close() async {}
}
