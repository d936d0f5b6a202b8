import CNNG
import MartletCore

/// A message in nng's memory, with exactly one owner at a time.
///
/// Handing it to ``NNGContext/send(_:)`` consumes it; if the send fails, ``NNGContext/takeMessage()`` gives it
/// back. An owner that goes away frees it.
struct NNGMessage: ~Copyable {
    private let raw: OpaquePointer

    /// Takes over a message that nng gave out.
    init(adopting raw: OpaquePointer) {
        self.raw = raw
    }

    /// Copies `frame` into a new message.
    ///
    /// - Throws: `.failed` when there is no memory.
    init(copying frame: Bytes) throws(TransportError) {
        var raw: OpaquePointer?
        let result = nng_msg_alloc(&raw, frame.count)
        guard result == 0, let raw else { throw TransportError(nng: result, "no memory for a message") }
        frame.withUnsafeBytes { bytes in
            if let base = bytes.baseAddress, let body = nng_msg_body(raw) {
                body.copyMemory(from: base, byteCount: bytes.count)
            }
        }
        self.raw = raw
    }

    /// The connection it came over, as nng numbers them.
    var pipe: UInt32 { nng_msg_get_pipe(self.raw).id }

    /// Gives up the message; whoever takes the pointer frees it.
    consuming func relinquish() -> OpaquePointer {
        let raw = self.raw
        discard self
        return raw
    }

    /// The body, without a copy. It is freed with the last slice of it.
    consuming func intoBytes() -> Bytes {
        Bytes(NNGMessageBlock.make(self))
    }

    deinit {
        nng_msg_free(self.raw)
    }
}
