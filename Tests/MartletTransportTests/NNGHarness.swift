import MartletCore
import MartletObservability
import MartletRuntime
import MartletTransport
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A loop, a transport on it, and addresses nobody else uses.
final class NNGHarness: Sendable {
    let loop: ThreadLoop
    let transport: NNGTransport
    let options: NNGOptions
    private static let lastFile = Atomic<Int>(0)

    init(_ options: NNGOptions = NNGOptions(), name: String = "test", log: Log = .none) {
        self.loop = ThreadLoop(name: name)
        self.options = options
        self.transport = NNGTransport(loop: self.loop, options: options, log: log)
    }

    deinit {
        self.loop.shutdown()
    }

    static func ipcAddress() -> String {
        let number = self.lastFile.add(1, ordering: .relaxed).newValue
        return "ipc:///tmp/martlet-test-\(getpid())-\(number).sock"
    }

    /// Runs `body` with a listener that `serve` answers from.
    func serving<Value: Sendable>(
        at address: String = "tcp://127.0.0.1:0", contexts: Int = 64,
        _ serve: @escaping @Sendable (ListenerEvent) -> Void = NNGHarness.echo,
        _ body: @escaping @Sendable (NNGListener) async throws -> Value
    ) async throws -> Value {
        let listener = try await self.transport.listenOverNNG(at: address, contexts: contexts)
        let value: Result<Value, any Error> = await withTaskGroup(of: Void.self) { group in
            group.addTask(executorPreference: self.loop) {
                while true {
                    let events = await listener.receive()
                    if events.isEmpty { return }
                    for event in events { serve(event) }
                }
            }
            let value: Result<Value, any Error>
            do { value = .success(try await body(listener)) } catch { value = .failure(error) }
            await listener.close()
            await group.waitForAll()
            return value
        }
        return try value.get()
    }

    /// Runs `body` with a connection to `address`.
    func connected<Value>(
        to address: String, _ body: (any RequestConnection) async throws -> Value
    ) async throws -> Value {
        let connection = try self.transport.connect(to: address)
        do {
            let value = try await body(connection)
            await connection.close()
            return value
        } catch {
            await connection.close()
            throw error
        }
    }

    @Sendable static func echo(_ event: ListenerEvent) {
        if case .request(let request) = event { request.reply(request.frame) }
    }
}

extension Bytes {
    init(_ text: String) { self.init(copying: Array(text.utf8)) }
    var text: String { String(decoding: self.array, as: UTF8.self) }
}

/// Asks until `condition` holds. False if the test's time limit came first.
func eventually(_ condition: () async -> Bool) async -> Bool {
    while await !condition() {
        if Task.isCancelled { return false }
        await Task.yield()
    }
    return true
}

/// Values that tests wait for: appended from anywhere, awaited one after the other.
final class Mailbox<Value: Sendable>: Sendable {
    private let stream: AsyncStream<Value>
    private let continuation: AsyncStream<Value>.Continuation
    private let posted = Atomic<Bool>(false)

    init() {
        (self.stream, self.continuation) = AsyncStream.makeStream()
    }

    func post(_ value: Value) {
        self.posted.store(true, ordering: .releasing)
        self.continuation.yield(value)
    }

    var hasPosted: Bool { self.posted.load(ordering: .acquiring) }

    func next() async -> Value? {
        for await value in self.stream { return value }
        return nil
    }
}

/// A TCP connection under the test's hands, to say what no nng peer would.
struct RawClient: ~Copyable {
    private let descriptor: Int32

    init(port: UInt16) throws {
        self.descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(self.descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if result != 0 { throw TransportError(.failed, "connect: \(errno)") }
        var timeout = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(
            self.descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(self.descriptor) }

    func write(_ bytes: [UInt8]) { _ = send(self.descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

    /// Up to `count` bytes; fewer if the peer closed.
    func read(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            var buffer = [UInt8](repeating: 0, count: count - bytes.count)
            let received = recv(self.descriptor, &buffer, buffer.count, 0)
            if received <= 0 { break }
            bytes += buffer[..<received]
        }
        return bytes
    }

    /// Makes the coming close an abort (RST).
    func abortOnClose() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(self.descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    func shutdownWriting() { shutdown(self.descriptor, Int32(SHUT_WR)) }

    /// Says what a REQ socket says first.
    func greet() { self.write([0, 0x53, 0x50, 0, 0, 0x30, 0, 0]) }
}

extension NNGListener {
    /// The port of a tcp listener.
    var port: UInt16 {
        guard case .tcp(_, let port)? = try? TransportAddress(parsing: self.address).endpoint else { return 0 }
        return port
    }
}
