import CMicroHTTPD
import Synchronization

/// A body that is sent while it is being made. Bounded: who reads too slowly loses the connection and holds nobody up.
package final class HTTPBodyStream: Sendable {
    private struct State {
        var bytes: [UInt8] = []
        var position = 0
        var isEnded = false
        /// Nobody takes it any more.
        var isGone = false
        /// Waits for more; valid until it is resumed.
        var suspended: OpaqueAddress?
    }

    /// Bytes that wait to be sent.
    package static let waitingMax = 256 * 1024

    private let state = Mutex(State())

    package init() {}

    /// Adds bytes. False if they cannot be sent: the peer is gone, or has not taken what came before.
    package func send(_ bytes: some Collection<UInt8>) -> Bool {
        self.state.withLock { state in
            guard !state.isGone, !state.isEnded else { return false }
            guard state.bytes.count - state.position + bytes.count <= Self.waitingMax else {
                state.isGone = true
                Self.resume(&state)
                return false
            }
            state.bytes.append(contentsOf: bytes)
            Self.resume(&state)
            return true
        }
    }

    /// Nothing more comes.
    package func end() {
        self.state.withLock { state in
            state.isEnded = true
            Self.resume(&state)
        }
    }

    package var isGone: Bool { self.state.withLock { $0.isGone } }

    // MARK: The thread of the server

    /// Takes up to `max` bytes; 0 if the connection now waits for more.
    func take(max: Int, into memory: UnsafeMutablePointer<CChar>, for connection: OpaquePointer) -> Int {
        self.state.withLock { state in
            let count = min(max, state.bytes.count - state.position)
            if count > 0, !state.isGone {
                state.bytes.withUnsafeBytes { bytes in
                    UnsafeMutableRawPointer(memory).copyMemory(
                        from: bytes.baseAddress! + state.position, byteCount: count)
                }
                state.position += count
                if state.position == state.bytes.count {
                    state.bytes.removeAll(keepingCapacity: true)
                    state.position = 0
                }
                return count
            }
            if state.isGone { return martletEndWithError }
            if state.isEnded { return martletEndOfStream }
            state.suspended = OpaqueAddress(connection)
            MHD_suspend_connection(connection)
            return 0
        }
    }

    /// The connection is no more.
    func leave() {
        self.state.withLock { state in
            state.isGone = true
            state.suspended = nil
        }
    }

    private static func resume(_ state: inout State) {
        guard let address = state.suspended else { return }
        state.suspended = nil
        MHD_resume_connection(address.pointer)
    }
}

/// What a content reader says instead of a count: macros in C.
private let martletEndOfStream = -1
private let martletEndWithError = -2

/// A C object's address, to be kept behind a lock.
struct OpaqueAddress: @unchecked Sendable {
    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) {
        self.pointer = pointer
    }
}
