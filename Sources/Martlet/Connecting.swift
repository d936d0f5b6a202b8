import MartletCore
import MartletRuntime
import MartletTransport
import MartletWire

/// Makes a connection that dials in the background, and proves the cluster token if there is one.
func openConnection(
    to address: String, token: String?, over transport: any Transport, on loop: EventLoop
) throws(MartletError) -> any RequestConnection {
    do {
        let connection = try transport.connect(to: address)
        guard let token else { return connection }
        guard !token.isEmpty else { throw MartletError(.authenticationFailed, "the cluster token is empty") }
        return AuthenticatingConnection(connection, token: ClusterToken(Array(token.utf8)), loop: loop)
    } catch let error as TransportError {
        throw MartletError(error)
    } catch let error as MartletError {
        throw error
    } catch {
        throw MartletError(.unreachable, "\(error)")
    }
}

extension TransportError {
    /// Whether the same request may do better later.
    var isPassing: Bool {
        switch self.code {
        case .timedOut, .connectionLost, .failed: true
        case .cancelled, .closed, .addressInUse, .addressInvalid, .permissionDenied, .messageTooLarge: false
        }
    }
}

extension ErrorReply {
    /// Whether the same request may do better later.
    var isPassing: Bool {
        switch self.code {
        case .overloaded, .unavailable, .storeUnavailable: true
        default: false
        }
    }
}
