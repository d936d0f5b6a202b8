import CNNG

/// One context of a socket, with the asynchronous operation that sends and receives on it.
///
/// One operation at a time: its end is told by ``completed()`` on one of nng's threads, with no lock held. nng
/// never calls back from inside ``send(_:)``, ``receive()`` or ``abort()`` (every 1.x hands the callback to a
/// thread of its own), so a subclass may call these with its lock held, and should: it keeps an abort from
/// hitting the operation after the one it was meant for.
class NNGContext: @unchecked Sendable {
    private let context: nng_ctx
    private var operation: OpaquePointer?
    /// For ``sendAtOnce(_:)``: it has no callback, so its end wakes no thread.
    private var quietSend: OpaquePointer?

    init(on socket: nng_socket) throws(TransportError) {
        var context = nng_ctx()
        try nngCheck(nng_ctx_open(&context, socket), "no context")
        self.context = context
        var operation: OpaquePointer?
        // The callback's reference; shutDown() gives it back once no callback can come.
        let callbackReference = Unmanaged.passRetained(self)
        let result = nng_aio_alloc(
            &operation,
            { Unmanaged<NNGContext>.fromOpaque($0!).takeUnretainedValue().completed() },
            callbackReference.toOpaque()
        )
        guard result == 0, let operation else {
            nng_ctx_close(context)
            callbackReference.release()
            throw TransportError(nng: result, "no operation for a context")
        }
        // nng's own time-outs run on the wall clock; ours abort the operation instead.
        nng_aio_set_timeout(operation, NNG_DURATION_INFINITE)
        self.operation = operation
    }

    /// An operation ended. Runs on a thread of nng's: moves data and starts the next operation, nothing else.
    func completed() { preconditionFailure("abstract") }

    /// nng's code for how the last operation ended.
    final var result: Int32 { nng_aio_result(self.operation) }

    /// Starts to send. On failure the message is still there for ``takeMessage()``.
    final func send(_ message: consuming NNGMessage) {
        nng_aio_set_msg(self.operation, message.relinquish())
        nng_ctx_send(self.context, self.operation)
    }

    /// Sends if a connection takes the message now; no callback tells of it.
    ///
    /// For a REQ context, which may receive as soon as its request is sent. Decision 12 says what it is for.
    ///
    /// - Returns: the message, if no connection is free: ``send(_:)`` waits for one.
    final func sendAtOnce(_ message: consuming NNGMessage) -> NNGMessage? {
        if self.quietSend == nil {
            guard nng_aio_alloc(&self.quietSend, nil, nil) == 0, self.quietSend != nil else { return message }
            nng_aio_set_timeout(self.quietSend, NNG_DURATION_INFINITE)
        }
        // Its last use ended before the answer to that was asked for; nng may not have got round to noting it.
        nng_aio_wait(self.quietSend)
        nng_aio_set_msg(self.quietSend, message.relinquish())
        nng_ctx_send(self.context, self.quietSend)
        // Gives a message back that waits, on this thread, and has no effect on one that is sent.
        nng_aio_cancel(self.quietSend)
        guard let raw = nng_aio_get_msg(self.quietSend) else { return nil }
        nng_aio_set_msg(self.quietSend, nil)
        return NNGMessage(adopting: raw)
    }

    /// Starts to receive; only ever from the send callback or with no operation under way.
    final func receive() {
        nng_aio_set_msg(self.operation, nil)
        nng_ctx_recv(self.context, self.operation)
    }

    /// Ends the operation under way early; it still completes through ``completed()``.
    final func abort() {
        nng_aio_cancel(self.operation)
    }

    /// What was received, or what could not be sent.
    final func takeMessage() -> NNGMessage? {
        guard let raw = nng_aio_get_msg(self.operation) else { return nil }
        nng_aio_set_msg(self.operation, nil)
        return NNGMessage(adopting: raw)
    }

    /// Waits for the callback, if one is due, and frees what nng holds. No operation may be started after it.
    ///
    /// Never on one of nng's threads, never with the subclass's lock held.
    final func shutDown() {
        guard let operation else { return }
        nng_aio_stop(operation)
        if let quietSend { nng_aio_stop(quietSend) }
        nng_ctx_close(self.context)
        // An operation refused after the stop leaves its message behind.
        _ = self.takeMessage()
        nng_aio_free(operation)
        if let quietSend { nng_aio_free(quietSend) }
        self.operation = nil
        self.quietSend = nil
        Unmanaged.passUnretained(self).release()
    }
}
