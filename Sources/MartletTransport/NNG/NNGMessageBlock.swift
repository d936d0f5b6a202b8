import CNNG
import MartletCore
import Synchronization

/// The memory of received messages, as ``MartletCore/ForeignBlock``: read in place, freed with the last slice.
package enum NNGMessageBlock {
    private static let live = Atomic<Int>(0)

    /// How many received messages are held in this process: what a leak shows up in.
    package static var liveCount: Int { Self.live.load(ordering: .relaxed) }

    static func make(_ message: consuming NNGMessage) -> ForeignBlock {
        let raw = RawMessage(pointer: message.relinquish())
        Self.live.add(1, ordering: .relaxed)
        // An empty body may have no address; any address does for zero bytes.
        let body = nng_msg_body(raw.pointer).map { UnsafeRawPointer($0) } ?? UnsafeRawPointer(raw.pointer)
        return ForeignBlock(base: body, count: nng_msg_len(raw.pointer)) {
            nng_msg_free(raw.pointer)
            Self.live.subtract(1, ordering: .relaxed)
        }
    }

    /// Only its block has it.
    private struct RawMessage: @unchecked Sendable {
        let pointer: OpaquePointer
    }
}
