import MartletCore
import MartletTransport
import MartletWire

/// Reads a request, answering it here if it is malformed or its peer must prove the token first.
func decode(
    _ request: any IncomingRequest, frame: Bytes, _ authenticator: inout PeerAuthenticator?,
    _ refusals: inout RefusalCounts
) -> Request? {
    do {
        let message = try Request.decode(frame)
        if let reply = authenticator?.check(message, from: request.peer) {
            request.reply(reply)
            return nil
        }
        return message
    } catch {
        let code: ErrorReply.Code =
            switch error.code {
            case .unknownVersion: .unknownVersion
            case .unknownKind: .unknownKind
            case .malformed, .unexpectedKind: .malformedFrame
            }
        refusals.add(code)
        request.refuse(code, error.message)
        return nil
    }
}
