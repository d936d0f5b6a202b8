import MartletTransport

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A TCP socket that listens, opened here so that an error says what is wrong with the address.
struct ListeningSocket {
    let descriptor: CInt
    /// The port that was given out.
    let port: UInt16

    private static let backlog: CInt = 128

    init(host: String, port: UInt16) throws(TransportError) {
        let text = "cannot listen at http://\(host.contains(":") ? "[\(host)]" : host):\(port)"
        var hints = addrinfo()
        hints.ai_socktype = Self.streamType
        hints.ai_flags = AI_PASSIVE
        var list: UnsafeMutablePointer<addrinfo>?
        let result = getaddrinfo(host, String(port), &hints, &list)
        guard result == 0, let first = list else {
            throw TransportError(.addressInvalid, "\(text): \(String(cString: gai_strerror(result)))")
        }
        defer { freeaddrinfo(list) }
        let info = first.pointee
        let descriptor = socket(info.ai_family, info.ai_socktype | Self.closeOnExec, info.ai_protocol)
        guard descriptor >= 0 else { throw Self.error(errno, text) }
        var on: CInt = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<CInt>.size))
        guard bind(descriptor, info.ai_addr, info.ai_addrlen) == 0, listen(descriptor, Self.backlog) == 0 else {
            let code = errno
            _ = systemClose(descriptor)
            throw Self.error(code, text)
        }
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        self.descriptor = descriptor
        self.port = Self.port(of: descriptor) ?? port
    }

    private static func port(of descriptor: CInt) -> UInt16? {
        var address = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        guard result == 0 else { return nil }
        // The port stands at the same place in both families.
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { UInt16(bigEndian: $0.pointee.sin_port) }
        }
    }

    private static func error(_ code: CInt, _ text: String) -> TransportError {
        switch code {
        case EADDRINUSE: TransportError(.addressInUse, "\(text): in use by another process", nativeCode: code)
        case EACCES: TransportError(.permissionDenied, "\(text): permission denied", nativeCode: code)
        case EADDRNOTAVAIL:
            TransportError(.addressInvalid, "\(text): not an address of this machine", nativeCode: code)
        default: TransportError(.failed, "\(text): \(String(cString: strerror(code)))", nativeCode: code)
        }
    }

    private static var streamType: CInt {
        #if canImport(Glibc)
            CInt(SOCK_STREAM.rawValue)
        #else
            SOCK_STREAM
        #endif
    }

    private static var closeOnExec: CInt {
        #if canImport(Glibc)
            CInt(SOCK_CLOEXEC.rawValue)
        #else
            0
        #endif
    }
}

/// `close(2)` and `shutdown(2)`, under names that no method hides.
func systemClose(_ descriptor: CInt) -> CInt { close(descriptor) }

func systemShutdown(_ descriptor: CInt) {
    #if canImport(Glibc)
        _ = shutdown(descriptor, CInt(SHUT_RDWR))
    #else
        _ = shutdown(descriptor, SHUT_RDWR)
    #endif
}
