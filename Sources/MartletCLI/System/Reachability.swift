import MartletConfiguration
import MartletCore

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Finds out whether somebody listens at an address, with the reason if nobody does.
enum Reachability {
    enum Finding: Hashable, Sendable {
        case listening
        /// `connection refused`, `no such host`, ...
        case unreachable(String)

        var problem: String? {
            if case .unreachable(let problem) = self { problem } else { nil }
        }
    }

    /// Connects and closes at once. Blocks for at most `timeout`, name resolution apart.
    static func probe(_ address: EndpointAddress, timeout: Duration) -> Finding {
        switch address.place {
        case .ipc(let path): self.probeSocketFile(path, timeout: timeout)
        case .tcp(let host, let port): self.probe(host: host, port: port, timeout: timeout)
        }
    }

    /// Binds to the address and lets go of it at once.
    ///
    /// - Returns: nil if it is free to listen on, else why not.
    static func bindProblem(_ address: EndpointAddress) -> String? {
        guard case .tcp(let host, let port) = address.place else { return nil }
        return Self.withAddresses(host: host == "*" ? "0.0.0.0" : host, port: port, isPassive: true) { info in
            let descriptor = socket(info.ai_family, info.ai_socktype, info.ai_protocol)
            guard descriptor >= 0 else { return Self.reason(errno) }
            defer { close(descriptor) }
            var one: CInt = 1
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<CInt>.size))
            return bind(descriptor, info.ai_addr, info.ai_addrlen) == 0 ? nil : Self.reason(errno)
        }
    }

    private static func probe(host: String, port: UInt16, timeout: Duration) -> Finding {
        let problem = Self.withAddresses(host: host, port: port, isPassive: false) { info in
            Self.connectProblem(info.ai_family, info.ai_socktype, info.ai_protocol, timeout) {
                connect($0, info.ai_addr, info.ai_addrlen)
            }
        }
        return problem.map { .unreachable($0) } ?? .listening
    }

    private static func probeSocketFile(_ path: String, timeout: Duration) -> Finding {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let fits = withUnsafeMutableBytes(of: &address.sun_path) { buffer in
            guard path.utf8.count < buffer.count else { return false }
            buffer.copyBytes(from: path.utf8)
            return true
        }
        guard fits else { return .unreachable("the path is too long") }
        let problem = Self.connectProblem(AF_UNIX, Self.streamType, 0, timeout) { descriptor in
            withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
        }
        return problem.map { .unreachable($0) } ?? .listening
    }

    /// Tries what the name stands for, in turn; the last problem counts.
    private static func withAddresses(
        host: String, port: UInt16, isPassive: Bool, _ attempt: (addrinfo) -> String?
    ) -> String? {
        var hints = addrinfo()
        hints.ai_socktype = Self.streamType
        hints.ai_flags = isPassive ? AI_PASSIVE : 0
        var list: UnsafeMutablePointer<addrinfo>?
        let result = getaddrinfo(host, String(port), &hints, &list)
        guard result == 0, let list else {
            return "cannot resolve \"\(host)\": \(String(cString: gai_strerror(result)))"
        }
        defer { freeaddrinfo(list) }
        var problem: String? = "no address for \"\(host)\""
        var next: UnsafeMutablePointer<addrinfo>? = list
        while let info = next {
            problem = attempt(info.pointee)
            if problem == nil { return nil }
            next = info.pointee.ai_next
        }
        return problem
    }

    private static func connectProblem(
        _ family: CInt, _ type: CInt, _ proto: CInt, _ timeout: Duration, _ connect: (CInt) -> CInt
    ) -> String? {
        let descriptor = socket(family, type, proto)
        guard descriptor >= 0 else { return Self.reason(errno) }
        defer { close(descriptor) }
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        if connect(descriptor) == 0 { return nil }
        guard errno == EINPROGRESS else { return Self.reason(errno) }
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        let ready = poll(&entry, 1, CInt(clamping: timeout.wholeMilliseconds))
        if ready == 0 { return "no answer within \(Quantity.text(timeout))" }
        var code: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
        return code == 0 ? nil : Self.reason(code)
    }

    private static var streamType: CInt {
        #if canImport(Glibc)
            CInt(SOCK_STREAM.rawValue)
        #else
            SOCK_STREAM
        #endif
    }

    private static func reason(_ code: CInt) -> String {
        switch code {
        case ECONNREFUSED: "connection refused"
        case EADDRINUSE: "in use by another process"
        case EACCES: "permission denied"
        case EADDRNOTAVAIL: "not an address of this machine"
        case ENOENT: "no such socket file"
        default: String(cString: strerror(code)).lowercased()
        }
    }
}
