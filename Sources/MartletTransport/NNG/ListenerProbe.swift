import MartletCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Dials a listener as a REQ peer would, to see whether it accepts.
///
/// Connecting proves nothing: the kernel accepts for a listener that is no longer served. Nor does the greeting:
/// nng's transport greets for a socket that no longer takes connections. Only a connection the socket took does.
struct ListenerProbe {
    enum Answer {
        case alive
        /// Refused, or no greeting in time.
        case dead
        /// This process could not ask; it says nothing about the listener.
        case unknown
    }

    /// The greeting of a REQ socket: zero, "SP", zero, protocol 0x30, two reserved zeros.
    private static let greeting: [UInt8] = [0, 0x53, 0x50, 0, 0, 0x30, 0, 0]
    private static let sliceMilliseconds: Int32 = 50
    private static let takenSliceMilliseconds: Int32 = 5

    let address: TransportAddress
    let timeout: Duration

    /// Blocks for up to twice `timeout`; `isStopped` ends it sooner.
    ///
    /// - Parameter isTaken: whether the listener's socket took a connection since the call, if that can be seen.
    func run(isTaken: () -> Bool = { true }, isStopped: () -> Bool) -> Answer {
        guard let (descriptor, isConnecting) = self.connect() else { return .unknown }
        guard descriptor >= 0 else { return .dead }
        defer { close(descriptor) }
        var slices = max(1, Int32(clamping: self.timeout.wholeMilliseconds) / Self.sliceMilliseconds)
        if isConnecting {
            guard Self.wait(descriptor, Int16(POLLOUT), &slices, isStopped) else {
                return isStopped() ? .unknown : .dead
            }
        }
        guard Self.greeting.withUnsafeBytes({ send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }) == 8
        else { return .dead }
        var received: [UInt8] = []
        while received.count < Self.greeting.count {
            guard Self.wait(descriptor, Int16(POLLIN), &slices, isStopped) else {
                return isStopped() ? .unknown : .dead
            }
            var buffer = [UInt8](repeating: 0, count: 8)
            let count = recv(descriptor, &buffer, Self.greeting.count - received.count, 0)
            guard count > 0 else { return .dead }
            received += buffer[..<count]
        }
        guard received.starts(with: Self.greeting[..<4]) else { return .dead }
        slices = max(1, Int32(clamping: self.timeout.wholeMilliseconds) / Self.takenSliceMilliseconds)
        while !isTaken() {
            guard slices > 0, !isStopped() else { return isStopped() ? .unknown : .dead }
            poll(nil, 0, Self.takenSliceMilliseconds)
            slices -= 1
        }
        return .alive
    }

    /// A non-blocking socket that is connected or connecting; -1 if refused; nil if none could be made.
    private func connect() -> (Int32, isConnecting: Bool)? {
        switch self.address.endpoint {
        case .ipc(let path):
            var target = sockaddr_un()
            target.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &target.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
            return withUnsafePointer(to: &target) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Self.connect(AF_UNIX, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
        case .tcp(let host, let port):
            // A listener on every interface is dialled on loopback.
            let node = ["*", "0.0.0.0"].contains(host) ? "127.0.0.1" : host == "::" ? "::1" : host
            var hints = addrinfo()
            hints.ai_socktype = Self.streamType
            var list: UnsafeMutablePointer<addrinfo>?
            guard getaddrinfo(node, String(port), &hints, &list) == 0, let first = list else { return nil }
            defer { freeaddrinfo(list) }
            return Self.connect(first.pointee.ai_family, first.pointee.ai_addr, first.pointee.ai_addrlen)
        }
    }

    private static func connect(
        _ family: Int32, _ target: UnsafePointer<sockaddr>, _ length: socklen_t
    ) -> (Int32, isConnecting: Bool)? {
        let descriptor = socket(family, Self.streamType | Self.openFlags, 0)
        guard descriptor >= 0 else { return nil }
        #if !os(Linux)
            _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        #endif
        #if canImport(Glibc)
            let result = Glibc.connect(descriptor, target, length)
        #elseif canImport(Musl)
            let result = Musl.connect(descriptor, target, length)
        #else
            let result = Darwin.connect(descriptor, target, length)
        #endif
        if result == 0 { return (descriptor, false) }
        let code = errno
        if code == EINPROGRESS { return (descriptor, true) }
        close(descriptor)
        // A full backlog (EAGAIN on a Unix socket) is what a listener that stopped accepting looks like.
        let saysDead = [ECONNREFUSED, ENOENT, EAGAIN, ECONNRESET].contains(code)
        return saysDead ? (-1, false) : nil
    }

    /// Waits for `event` in short slices, counting them down.
    private static func wait(_ descriptor: Int32, _ event: Int16, _ slices: inout Int32, _ isStopped: () -> Bool)
        -> Bool
    {
        while slices > 0 && !isStopped() {
            var entry = pollfd(fd: descriptor, events: event, revents: 0)
            if poll(&entry, 1, Self.sliceMilliseconds) > 0 { return true }
            slices -= 1
        }
        return false
    }

    #if os(Linux)
        private static let streamType = Int32(SOCK_STREAM.rawValue)
        private static let openFlags = Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    #else
        private static let streamType = SOCK_STREAM
        private static let openFlags: Int32 = 0
    #endif
}
