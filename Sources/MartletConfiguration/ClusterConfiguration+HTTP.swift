import MartletCore

extension ClusterConfiguration {
    /// Where the coordinator answers over HTTP, and whom.
    package struct HTTP: Hashable, Sendable {
        package enum Listen: Hashable, Sendable {
            case off
            case at(EndpointAddress)
        }

        /// Files with bearer tokens, one a line, by what their holders may do.
        package struct Tokens: Hashable, Sendable {
            package let read: String?
            package let submit: String?
            package let admin: String?

            package init(read: String? = nil, submit: String? = nil, admin: String? = nil) {
                self.read = read
                self.submit = submit
                self.admin = admin
            }

            package var isEmpty: Bool { self.read == nil && self.submit == nil && self.admin == nil }
        }

        package let listen: Listen
        package let tokens: Tokens
        /// Names beside its addresses under which it is reached.
        package let hosts: [String]
        /// Origins whose pages may use it.
        package let origins: [String]
        package let connectionsMax: Int
        package let bodyMax: Int

        package static let standardListen = EndpointAddress("tcp://127.0.0.1:7402")!
        package static let standard = HTTP(unchecked: ())

        private init(unchecked: Void) {
            self.listen = .at(Self.standardListen)
            self.tokens = Tokens()
            self.hosts = []
            self.origins = []
            self.connectionsMax = 256
            self.bodyMax = 8 << 20
        }

        /// - Throws: the first bound or relation that does not hold.
        package init(
            listen: Listen = Self.standard.listen, tokens: Tokens = Tokens(), hosts: [String] = [],
            origins: [String] = [],
            connectionsMax: Int = Self.standard.connectionsMax, bodyMax: Int = Self.standard.bodyMax
        ) throws(ConfigurationError) {
            if case .at(let address) = listen, !address.isLoopback, tokens.isEmpty {
                throw ConfigurationError(
                    path: "http.listen",
                    cause: "\(Self.text(of: address)) is open to other machines, but there is no token",
                    fix: "set \"tokens\", or listen on 127.0.0.1")
            }
            try Check.count(connectionsMax, in: 4...16_384, path: "http.connectionsMax")
            try Check.size(bodyMax, in: 1024...64 << 20, path: "http.bodyMax")
            for (place, host) in hosts.enumerated() where !Self.isHost(host) {
                throw ConfigurationError(
                    path: "http.hosts.\(place)", cause: "\"\(host)\" is no host name",
                    fix: "write it as jobs.example.com, without scheme and port")
            }
            for (place, origin) in origins.enumerated() where !Self.isOrigin(origin) {
                throw ConfigurationError(
                    path: "http.origins.\(place)", cause: "\"\(origin)\" is no origin",
                    fix: "write it as https://ops.example.com, without a path")
            }
            self.listen = listen
            self.tokens = tokens
            self.hosts = hosts
            self.origins = origins
            self.connectionsMax = connectionsMax
            self.bodyMax = bodyMax
        }

        private static func isHost(_ text: String) -> Bool {
            (1...253).contains(text.utf8.count)
                && text.unicodeScalars.allSatisfy {
                    $0.isASCII
                        && ($0.properties.isAlphabetic || $0.properties.numericType != nil
                            || "-.".unicodeScalars.contains($0))
                }
        }

        private static func isOrigin(_ text: String) -> Bool {
            for scheme in ["https://", "http://"] where text.hasPrefix(scheme) {
                let host = text.dropFirst(scheme.count)
                return !host.isEmpty && !host.contains("/") && host.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
            }
            return false
        }

        /// `http://127.0.0.1:7402`; nil if it is none, or names no port.
        package static func address(_ text: String) -> EndpointAddress? {
            guard text.hasPrefix("http://"), let address = EndpointAddress("tcp://\(text.dropFirst(7))"),
                case .tcp = address.place
            else { return nil }
            return address
        }

        package static func text(of address: EndpointAddress) -> String {
            "http://\(address.description.dropFirst("tcp://".count))"
        }
    }
}

extension ClusterConfiguration {
    static let httpKeys = ["listen", "tokens", "hosts", "origins", "connectionsMax", "bodyMax"]
    static let httpTokenKeys = ["read", "submit", "admin"]

    static func http(_ root: ObjectFields) throws(ConfigurationError) -> HTTP {
        guard let fields = try root.object("http", known: Self.httpKeys) else { return .standard }
        var listen: HTTP.Listen?
        if let text = try fields.string("listen") {
            if text == "off" {
                listen = .off
            } else if let address = HTTP.address(text) {
                listen = .at(address)
            } else {
                throw ConfigurationError(
                    path: fields.path("listen"), cause: "\"\(text)\" is no address",
                    fix: "write it as http://HOST:PORT, or off")
            }
        }
        var tokens = HTTP.Tokens()
        if let files = try fields.object("tokens", known: Self.httpTokenKeys) {
            for key in Self.httpTokenKeys where try files.string(key)?.isEmpty == true {
                throw ConfigurationError(
                    path: files.path(key), cause: "is empty", fix: "name a file or leave the key out")
            }
            tokens = HTTP.Tokens(
                read: try files.string("read"), submit: try files.string("submit"), admin: try files.string("admin"))
        }
        return try HTTP(
            listen: listen ?? HTTP.standard.listen, tokens: tokens, hosts: try fields.strings("hosts"),
            origins: try fields.strings("origins"),
            connectionsMax: try fields.count("connectionsMax") ?? HTTP.standard.connectionsMax,
            bodyMax: try fields.size("bodyMax") ?? HTTP.standard.bodyMax)
    }
}
