import CMicroHTTPD
import MartletCore
import MartletRuntime
import MartletTransport
import Synchronization

/// libmicrohttpd with one thread of its own. It reads and writes; everything else happens elsewhere.
///
/// A request that passed the gate goes into an inbox, which wakes its reader once however many came; its connection is
/// suspended until it is answered. So neither side ever waits for the other.
final class HTTPListener: Sendable {
    /// Decides about a request before its body is read. On the server's thread: must be quick.
    typealias Gate = @Sendable (HTTPRequestHead) -> Result<HTTPTicket, HTTPRefusal>

    private struct State {
        var inbox: [HTTPExchange] = []
        var daemon: OpaqueAddress?
        var isClosing = false
    }

    /// Bytes of a request's head, and of what libmicrohttpd keeps beside it.
    static let headMax = 32 * 1024

    let port: UInt16
    let connections = ConnectionTable()
    fileprivate let settings: HTTPSettings
    fileprivate let loop: EventLoop
    fileprivate let gate: Gate
    fileprivate let bodies: BodyBudget
    private let socket: CInt
    private let state = Mutex(State())
    private let arrived = Signal()

    init(_ settings: HTTPSettings, loop: EventLoop, gate: @escaping Gate) throws(TransportError) {
        let socket = try ListeningSocket(host: settings.host, port: settings.port)
        self.socket = socket.descriptor
        self.port = socket.port
        self.settings = settings
        self.loop = loop
        self.gate = gate
        self.bodies = BodyBudget(bytesMax: settings.bodiesMax)
        // What a peer that does nothing at all is allowed at most; every phase has less, or as much.
        let idleMax = UInt32(clamping: Int64(settings.times.idle / .seconds(1)) + 1)
        let daemon = martlet_mhd_start(
            socket.descriptor, UInt32(settings.connectionsMax), idleMax, Self.headMax,
            Unmanaged.passUnretained(self).toOpaque(), serve, begin, complete, change)
        guard let daemon else {
            _ = systemClose(socket.descriptor)
            throw TransportError(.failed, "cannot start the HTTP server: the system has no room for its thread")
        }
        self.state.withLock { $0.daemon = OpaqueAddress(daemon) }
    }

    /// Waits until requests have arrived and returns all of them. Empty when the task is cancelled.
    func receive() async -> [HTTPExchange] {
        while !Task.isCancelled {
            let arrived = self.takeInbox()
            if !arrived.isEmpty { return arrived }
            await self.arrived.wait()
        }
        return []
    }

    private func takeInbox() -> [HTTPExchange] {
        self.state.withLock { state in
            defer { state.inbox.removeAll(keepingCapacity: true) }
            return state.inbox
        }
    }

    fileprivate func deliver(_ exchange: HTTPExchange) {
        let isClosing = self.state.withLock { state in
            if !state.isClosing { state.inbox.append(exchange) }
            return state.isClosing
        }
        if isClosing { exchange.answer(Problem.stopping.response) } else { self.arrived.notify() }
    }

    /// Accepts nothing more, gives answers that are on their way a moment, and ends. Everything handed out must have been
    /// answered before.
    func close() async {
        let daemon = self.state.withLock { state in
            state.isClosing = true
            return state.daemon.take()
        }
        guard let daemon else { return }
        for exchange in self.takeInbox() { exchange.answer(Problem.stopping.response) }
        _ = MHD_quiesce_daemon(daemon.pointer)
        systemShutdown(self.socket)
        let deadline = self.loop.now + .seconds(1)
        while self.connections.count(in: .send) + self.connections.count(in: .served) > 0, self.loop.now < deadline {
            // Cancelled or not: this is the end.
            await self.pause(.milliseconds(5))
        }
        MHD_stop_daemon(daemon.pointer)
        _ = systemClose(self.socket)
    }

    private func pause(_ duration: Duration) async {
        await withUnsafeContinuation { continuation in
            _ = self.loop.schedule(at: self.loop.now + duration) { continuation.resume() }
        }
    }
}

/// What is answered without looking any further.
package struct HTTPRefusal: Error, Sendable {
    package let problem: Problem
    /// As the metric of requests names the route.
    package let route: String

    package init(_ problem: Problem, route: String) {
        self.problem = problem
        self.route = route
    }
}

/// What is kept with a connection. Touched by the server's thread only.
private final class Connection {
    let number: UInt64
    var target = ""
    var exchange: HTTPExchange?
    /// The answer, of a request that gets one though nobody serves it.
    var refusal: HTTPResponse?
    var discarded = 0

    init(number: UInt64) {
        self.number = number
    }

    static func of(_ connection: OpaquePointer?) -> Connection? {
        guard let kept = martlet_mhd_kept(connection) else { return nil }
        return Unmanaged<Connection>.fromOpaque(kept).takeUnretainedValue()
    }
}

private func listener(_ context: UnsafeMutableRawPointer?) -> HTTPListener {
    Unmanaged<HTTPListener>.fromOpaque(context!).takeUnretainedValue()
}

// MARK: - Callbacks, on the server's thread

private let change: MHD_NotifyConnectionCallback = { context, connection, kept, event in
    let listener = listener(context)
    if event == .CONNECTION_NOTIFY_STARTED {
        let deadline = listener.loop.now + listener.settings.times.head
        let number = listener.connections.add(martlet_mhd_socket(connection), deadline: deadline)
        kept?.pointee = Unmanaged.passRetained(Connection(number: number)).toOpaque()
    } else if let pointer = kept?.pointee {
        let connection = Unmanaged<Connection>.fromOpaque(pointer).takeRetainedValue()
        listener.connections.remove(connection.number)
        connection.exchange?.leave()
    }
}

private let begin: martlet_mhd_target_callback = { context, target, connection in
    guard let target, let kept = Connection.of(connection) else { return nil }
    kept.target = String(cString: target)
    kept.exchange = nil
    kept.refusal = nil
    kept.discarded = 0
    return nil
}

private let complete: MHD_RequestCompletedCallback = { context, connection, _, _ in
    guard let kept = Connection.of(connection) else { return }
    let listener = listener(context)
    kept.exchange?.leave()
    kept.exchange = nil
    kept.refusal = nil
    listener.connections.change(
        kept.number, to: .idle, deadline: listener.loop.now + listener.settings.times.idle)
}

private let serve: MHD_AccessHandlerCallback = { context, connection, _, method, _, data, count, _ in
    guard let connection, let kept = Connection.of(connection), let method, let count else { return .NO }
    let listener = listener(context)
    if kept.exchange == nil, kept.refusal == nil {
        return listener.admit(connection, kept, method: String(cString: method))
    }
    if count.pointee > 0 {
        let bytes = UnsafeRawBufferPointer(start: data, count: count.pointee)
        count.pointee = 0
        return listener.take(bytes, connection, kept)
    }
    return listener.end(connection, kept)
}

extension HTTPListener {
    /// The head is there.
    fileprivate func admit(_ connection: OpaquePointer, _ kept: Connection, method: String) -> MHD_Result {
        let head = HTTPRequestHead(method: method, target: kept.target, headers: Self.headers(of: connection))
        let now = self.loop.now
        switch self.gate(head) {
        case .success(let ticket):
            let exchange = HTTPExchange(head: head, ticket: ticket, startedAt: now, bodies: self.bodies)
            kept.exchange = exchange
            let time = ticket.isStreamed ? self.settings.times.stream : self.settings.times.body
            self.connections.change(kept.number, to: .body, deadline: now + time)
            if ticket.isStreamed { self.deliver(exchange) }
            return .YES
        case .failure(let refusal):
            kept.refusal = refusal.problem.response
            self.connections.change(kept.number, to: .body, deadline: now + self.settings.times.body)
            // A short body is read first: a peer that is cut off while it writes may never see the answer.
            if head.hasBody, (head.contentLength ?? .max) > HTTPExchange.discardMax {
                return self.send(kept.refusal!, connection, kept)
            }
            return .YES
        }
    }

    fileprivate func take(
        _ bytes: UnsafeRawBufferPointer, _ connection: OpaquePointer, _ kept: Connection
    ) -> MHD_Result {
        guard let exchange = kept.exchange else {
            kept.discarded += bytes.count
            return kept.discarded > HTTPExchange.discardMax ? .NO : .YES
        }
        switch exchange.take(bytes, on: connection) {
        case .taken: return .YES
        case .excessive: return .NO
        }
    }

    fileprivate func end(_ connection: OpaquePointer, _ kept: Connection) -> MHD_Result {
        if let refusal = kept.refusal { return self.send(refusal, connection, kept) }
        guard let exchange = kept.exchange else { return .NO }
        // Before it may be answered from elsewhere.
        self.connections.change(kept.number, to: .served)
        var isFirst = false
        switch exchange.end(on: connection, isFirst: &isFirst) {
        case .send(let response): return self.send(response, connection, kept)
        case .wait:
            if isFirst, !exchange.ticket.isStreamed { self.deliver(exchange) }
            return .YES
        }
    }

    private func send(_ response: HTTPResponse, _ connection: OpaquePointer, _ kept: Connection) -> MHD_Result {
        let answer: OpaquePointer?
        switch response.body {
        case .bytes(let bytes):
            answer = bytes.withUnsafeBytes {
                MHD_create_response_from_buffer(
                    $0.count, UnsafeMutableRawPointer(mutating: $0.baseAddress), .RESPMEM_MUST_COPY)
            }
            self.connections.change(kept.number, to: .send, deadline: self.loop.now + self.settings.times.send)
        case .stream(let stream):
            let reader = StreamReader(stream: stream, connection: OpaqueAddress(connection))
            answer = MHD_create_response_from_callback(
                UInt64.max, 16 * 1024, readStream, Unmanaged.passRetained(reader).toOpaque(), releaseStream)
            self.connections.change(kept.number, to: .send)
        }
        guard let answer else { return .NO }
        defer { MHD_destroy_response(answer) }
        for (name, value) in response.headers { _ = MHD_add_response_header(answer, name, value) }
        return MHD_queue_response(connection, UInt32(response.status), answer)
    }

    private static func headers(of connection: OpaquePointer) -> [(name: String, value: String)] {
        var headers: [(name: String, value: String)] = []
        withUnsafeMutablePointer(to: &headers) { pointer in
            _ = MHD_get_connection_values(
                connection, .HEADER_KIND,
                { context, _, name, value in
                    guard let name else { return .YES }
                    let headers = context!.assumingMemoryBound(to: [(name: String, value: String)].self)
                    headers.pointee.append(
                        (String(cString: name).lowercased(), value.map { String(cString: $0) } ?? ""))
                    return .YES
                }, pointer)
        }
        return headers
    }
}

// MARK: - Bodies that are sent while they are made

private final class StreamReader {
    let stream: HTTPBodyStream
    let connection: OpaqueAddress

    init(stream: HTTPBodyStream, connection: OpaqueAddress) {
        self.stream = stream
        self.connection = connection
    }
}

private let readStream: MHD_ContentReaderCallback = { context, _, memory, max in
    let reader = Unmanaged<StreamReader>.fromOpaque(context!).takeUnretainedValue()
    return reader.stream.take(max: max, into: memory!, for: reader.connection.pointer)
}

private let releaseStream: MHD_ContentReaderFreeCallback = { context in
    Unmanaged<StreamReader>.fromOpaque(context!).release()
}
