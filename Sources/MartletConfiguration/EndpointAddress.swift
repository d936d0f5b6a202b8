/// Where a coordinator listens or is reached: `tcp://HOST:PORT` or `ipc:///PATH`.
package struct EndpointAddress: Hashable, Sendable, CustomStringConvertible {
    package enum Place: Hashable, Sendable {
        /// An IPv6 host stands without its brackets. Port 0 takes a free one.
        case tcp(host: String, port: UInt16)
        case ipc(path: String)
    }

    package let place: Place

    /// Nil if `text` is no such address; ``problem(_:)`` says why.
    package init?(_ text: String) {
        guard case .success(let place) = Self.parse(text) else { return nil }
        self.place = place
    }

    private init(place: Place) {
        self.place = place
    }

    /// Why `text` is no address, or nil if it is one.
    package static func problem(_ text: String) -> String? {
        guard case .failure(let problem) = Self.parse(text) else { return nil }
        return problem.message
    }

    /// Only this machine can get there.
    package var isLoopback: Bool {
        switch self.place {
        case .ipc: true
        case .tcp(let host, _): host == "localhost" || host == "::1" || Self.isIPv4Loopback(host)
        }
    }

    /// The address to dial for a listener here: a wildcard host cannot be dialled, this machine can.
    package var dialable: EndpointAddress {
        guard case .tcp(let host, let port) = self.place else { return self }
        switch host {
        case "0.0.0.0", "*", "": return EndpointAddress(place: .tcp(host: "127.0.0.1", port: port))
        case "::": return EndpointAddress(place: .tcp(host: "::1", port: port))
        default: return self
        }
    }

    package var description: String {
        switch self.place {
        case .tcp(let host, let port): host.contains(":") ? "tcp://[\(host)]:\(port)" : "tcp://\(host):\(port)"
        case .ipc(let path): "ipc://\(path)"
        }
    }

    private struct Problem: Error {
        let message: String
    }

    private static func parse(_ text: String) -> Result<Place, Problem> {
        if let path = text.dropping(prefix: "ipc://") {
            // 107 bytes are what a Unix socket's name can hold.
            guard path.hasPrefix("/") else {
                return .failure(.init(message: "needs a full path: ipc:///run/martlet.sock"))
            }
            guard path.utf8.count <= 107 else { return .failure(.init(message: "has a path longer than 107 bytes")) }
            return .success(.ipc(path: path))
        }
        guard let rest = text.dropping(prefix: "tcp://") else {
            return .failure(.init(message: "must begin with tcp:// or ipc://"))
        }
        guard let colon = rest.lastIndex(of: ":"), let port = UInt16(rest[rest.index(after: colon)...]) else {
            return .failure(.init(message: "needs a port from 0 to 65535, as in tcp://127.0.0.1:7400"))
        }
        var host = String(rest[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
        } else if host.contains(":") {
            return .failure(.init(message: "needs brackets around an IPv6 address, as in tcp://[::1]:7400"))
        }
        guard !host.isEmpty, host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") }) else {
            return .failure(.init(message: "needs a host, as in tcp://127.0.0.1:7400"))
        }
        return .success(.tcp(host: host, port: port))
    }

    private static func isIPv4Loopback(_ host: String) -> Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}

extension String {
    /// The rest after `prefix`, or nil if it does not begin so.
    fileprivate func dropping(prefix: String) -> String? {
        self.hasPrefix(prefix) ? String(self.dropFirst(prefix.count)) : nil
    }
}
