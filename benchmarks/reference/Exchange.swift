import CNNG

/// One context of a REQ socket: asks, and tells `answered` the reply on a thread of nng's, from where the next question
/// may be asked.
final class Asking: @unchecked Sendable {
    private var context = nng_ctx()
    private var sendAIO: OpaquePointer?
    private var receiveAIO: OpaquePointer?
    private let answered: @Sendable (Asking, consuming Message) -> Void

    init(_ socket: nng_socket, answered: @escaping @Sendable (Asking, consuming Message) -> Void) {
        self.answered = answered
        check(nng_ctx_open(&self.context, socket), "nng_ctx_open")
        let me = Unmanaged.passRetained(self).toOpaque()
        check(nng_aio_alloc(&self.sendAIO, { Asking.from($0).sent() }, me), "nng_aio_alloc")
        check(nng_aio_alloc(&self.receiveAIO, { Asking.from($0).received() }, me), "nng_aio_alloc")
    }

    func ask(_ message: consuming Message) {
        nng_aio_set_msg(self.sendAIO, message.relinquish())
        nng_ctx_send(self.context, self.sendAIO)
    }

    private func sent() {
        check(nng_aio_result(self.sendAIO!), "send")
        nng_ctx_recv(self.context, self.receiveAIO)
    }

    private func received() {
        check(nng_aio_result(self.receiveAIO!), "receive")
        self.answered(self, Message(adopting: nng_aio_get_msg(self.receiveAIO)!))
    }

    private static func from(_ pointer: UnsafeMutableRawPointer?) -> Asking {
        Unmanaged<Asking>.fromOpaque(pointer!).takeUnretainedValue()
    }

    /// A REQ socket that never repeats a request by itself.
    static func connect(to address: String) -> nng_socket {
        var socket = nng_socket()
        check(nng_req0_open(&socket), "nng_req0_open")
        check(nng_socket_set_ms(socket, "req:resend-time", -1), "resend time")
        check(nng_dial(socket, address, nil, 0), "nng_dial")
        return socket
    }
}

/// One context of a REP socket: takes a request, is answered later, takes the next.
final class Answering: @unchecked Sendable {
    private var context = nng_ctx()
    private var sendAIO: OpaquePointer?
    private var receiveAIO: OpaquePointer?
    private let asked: @Sendable (Answering, consuming Message) -> Void

    init(_ socket: nng_socket, asked: @escaping @Sendable (Answering, consuming Message) -> Void) {
        self.asked = asked
        check(nng_ctx_open(&self.context, socket), "nng_ctx_open")
        let me = Unmanaged.passRetained(self).toOpaque()
        check(nng_aio_alloc(&self.sendAIO, { Answering.from($0).sent() }, me), "nng_aio_alloc")
        check(nng_aio_alloc(&self.receiveAIO, { Answering.from($0).received() }, me), "nng_aio_alloc")
        nng_ctx_recv(self.context, self.receiveAIO)
    }

    func answer(_ message: consuming Message) {
        nng_aio_set_msg(self.sendAIO, message.relinquish())
        nng_ctx_send(self.context, self.sendAIO)
    }

    private func sent() {
        check(nng_aio_result(self.sendAIO!), "send")
        nng_ctx_recv(self.context, self.receiveAIO)
    }

    private func received() {
        check(nng_aio_result(self.receiveAIO!), "receive")
        self.asked(self, Message(adopting: nng_aio_get_msg(self.receiveAIO)!))
    }

    private static func from(_ pointer: UnsafeMutableRawPointer?) -> Answering {
        Unmanaged<Answering>.fromOpaque(pointer!).takeUnretainedValue()
    }

    /// A REP socket on a free port of this machine.
    static func listen() -> (socket: nng_socket, port: Int) {
        var socket = nng_socket()
        var listener = nng_listener()
        var port: Int32 = 0
        check(nng_rep0_open(&socket), "nng_rep0_open")
        check(nng_listener_create(&listener, socket, "tcp://127.0.0.1:0"), "nng_listener_create")
        check(nng_listener_start(listener, 0), "nng_listener_start")
        check(nng_listener_get_int(listener, "tcp-bound-port", &port), "port")
        return (socket, Int(port))
    }
}
