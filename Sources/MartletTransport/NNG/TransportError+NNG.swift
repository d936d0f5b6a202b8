import CNNG

extension TransportError {
    /// The error for one of nng's result codes. `text` says what was being done; nng's words are appended.
    init(nng result: Int32, _ text: String) {
        let words = nng_strerror(result).map { String(cString: $0) } ?? "error \(result)"
        self.init(Self.code(nng: result), "\(text): \(words)", nativeCode: result)
    }

    private static func code(nng result: Int32) -> Code {
        guard result > 0 else { return .failed }
        return switch UInt32(result) {
        case UInt32(NNG_ETIMEDOUT.rawValue): .timedOut
        case UInt32(NNG_ECONNRESET.rawValue), UInt32(NNG_ECONNABORTED.rawValue), UInt32(NNG_ECONNSHUT.rawValue):
            .connectionLost
        case UInt32(NNG_ECANCELED.rawValue): .cancelled
        case UInt32(NNG_ECLOSED.rawValue): .closed
        case UInt32(NNG_EADDRINUSE.rawValue): .addressInUse
        case UInt32(NNG_EADDRINVAL.rawValue), UInt32(NNG_EINVAL.rawValue), UInt32(NNG_ENOENT.rawValue): .addressInvalid
        case UInt32(NNG_EPERM.rawValue): .permissionDenied
        case UInt32(NNG_EMSGSIZE.rawValue): .messageTooLarge
        default: .failed
        }
    }
}

/// Throws if `result` is one of nng's error codes.
func nngCheck(_ result: Int32, _ text: @autoclosure () -> String) throws(TransportError) {
    guard result == 0 else { throw TransportError(nng: result, text()) }
}
