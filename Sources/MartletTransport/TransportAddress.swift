/// Where a listener is: `tcp://host:port` or `ipc:///path/of/socket`.
///
/// The host is a name, an IPv4 address, an IPv6 address in brackets, or `*` for every interface (listening
/// only). An ipc path is absolute and at most 107 bytes long, which is what a Unix socket can hold.
package struct TransportAddress: Hashable, Sendable, CustomStringConvertible {
    package enum Endpoint: Hashable, Sendable {
        /// `host` is without brackets; `port` 0 asks for a free one.
        case tcp(host: String, port: UInt16)
        case ipc(path: String)
    }

    package let endpoint: Endpoint

    /// The most bytes in an ipc path: `sun_path` less its terminating zero.
    package static let ipcPathBytesMax = 107
    /// The most bytes in a host name, as in DNS.
    package static let hostBytesMax = 253

    package init(_ endpoint: Endpoint) {
        self.endpoint = endpoint
    }

    /// Reads an address.
    ///
    /// - Throws: `.addressInvalid`, with a text that says what is wrong and what would be right.
    package init(parsing text: String) throws(TransportError) {
        if let rest = text.dropping(prefix: "tcp://") {
            self.endpoint = try Self.tcp(rest, in: text)
        } else if let rest = text.dropping(prefix: "ipc://") {
            self.endpoint = try Self.ipc(rest, in: text)
        } else {
            throw Self.invalid(text, "it must start with tcp:// or ipc://")
        }
    }

    package var description: String {
        switch self.endpoint {
        case .tcp(let host, let port): host.contains(":") ? "tcp://[\(host)]:\(port)" : "tcp://\(host):\(port)"
        case .ipc(let path): "ipc://\(path)"
        }
    }

    /// Whether only this machine can reach it. What a name other than `localhost` resolves to is not asked.
    package var isLoopback: Bool {
        switch self.endpoint {
        case .ipc: true
        case .tcp(let host, _): Self.isLoopback(host)
        }
    }

    /// The same place with the port that was given out.
    package func withPort(_ port: UInt16) -> Self {
        switch self.endpoint {
        case .tcp(let host, _): Self(.tcp(host: host, port: port))
        case .ipc: self
        }
    }

    private static func tcp(_ rest: Substring, in text: String) throws(TransportError) -> Endpoint {
        guard let colon = rest.lastIndex(of: ":") else { throw Self.invalid(text, "the port is missing") }
        let portText = rest[rest.index(after: colon)...]
        guard !portText.isEmpty, portText.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }), let port = UInt16(portText) else {
            throw Self.invalid(text, "the port must be a number from 0 to 65535")
        }
        var host = rest[..<colon]
        if host.first == "[" {
            guard host.last == "]", host.count > 2 else { throw Self.invalid(text, "a bracket is not closed") }
            host = host.dropFirst().dropLast()
            guard host.contains(":"), host.utf8.allSatisfy(Self.isIPv6Byte) else {
                throw Self.invalid(text, "brackets hold an IPv6 address")
            }
        } else {
            guard !host.isEmpty else { throw Self.invalid(text, "the host is missing; * means every interface") }
            guard !host.contains(":") else { throw Self.invalid(text, "an IPv6 address goes in brackets") }
            guard host == "*" || host.utf8.allSatisfy(Self.isNameByte) else {
                throw Self.invalid(text, "the host holds a character that no host name has")
            }
        }
        guard host.utf8.count <= Self.hostBytesMax else { throw Self.invalid(text, "the host is too long") }
        return .tcp(host: String(host), port: port)
    }

    private static func ipc(_ path: Substring, in text: String) throws(TransportError) -> Endpoint {
        guard path.first == "/" else { throw Self.invalid(text, "the path must be absolute, as in ipc:///run/m.sock") }
        guard path.count > 1, path.last != "/" else { throw Self.invalid(text, "the path must name a file") }
        guard path.utf8.count <= Self.ipcPathBytesMax else {
            throw Self.invalid(text, "the path has \(path.utf8.count) bytes, over \(Self.ipcPathBytesMax)")
        }
        guard path.utf8.allSatisfy({ $0 != 0 }) else { throw Self.invalid(text, "the path holds a zero byte") }
        return .ipc(path: String(path))
    }

    private static func isLoopback(_ host: String) -> Bool {
        let lower = host.lowercased()
        if lower == "localhost" || lower == "::1" || lower == "0:0:0:0:0:0:0:1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    private static func isIPv6Byte(_ byte: UInt8) -> Bool {
        switch byte {
        case 48...58, 65...70, 97...102, UInt8(ascii: "."): true
        default: false
        }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 48...57, 65...90, 97...122, UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"): true
        default: false
        }
    }

    private static func invalid(_ text: String, _ why: String) -> TransportError {
        TransportError(.addressInvalid, "\"\(text)\" is not an address: \(why)")
    }
}

extension String {
    fileprivate func dropping(prefix: String) -> Substring? {
        self.hasPrefix(prefix) ? self.dropFirst(prefix.count) : nil
    }
}
