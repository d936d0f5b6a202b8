/// How the HTTP server works. Made from `cluster.json` by the command line.
package struct HTTPSettings: Sendable {
    package let host: String
    /// 0 takes a free one.
    package let port: UInt16
    /// Whether only this machine gets there: then no token is needed, and a browser must have meant it.
    package let isLoopback: Bool
    /// Names under which it is reached beside its address, as a `Host` header says them, without the port.
    package let hosts: Set<String>
    /// Origins, `https://ops.example.com`, whose pages may use it from a browser.
    package let origins: Set<String>
    package let tokens: AccessTokens
    package let connectionsMax: Int
    /// Bytes of a body that is taken in whole.
    package let bodyMax: Int
    /// Bytes of all bodies that are held at once.
    package let bodiesMax: Int
    package let times: HTTPTimes

    /// - Precondition: one that is open to other machines has tokens.
    package init(
        host: String = "127.0.0.1", port: UInt16, isLoopback: Bool = true, hosts: Set<String> = [],
        origins: Set<String> = [], tokens: AccessTokens = .none, connectionsMax: Int = 256, bodyMax: Int = 8 << 20,
        bodiesMax: Int = 64 << 20, times: HTTPTimes = HTTPTimes()
    ) {
        precondition(isLoopback || !tokens.isEmpty, "a server that is open to other machines needs tokens")
        precondition(connectionsMax > 0 && bodyMax > 0 && bodiesMax >= bodyMax, "bounds are positive")
        self.host = host
        self.port = port
        self.isLoopback = isLoopback
        self.hosts = hosts
        self.origins = origins
        self.tokens = tokens
        self.connectionsMax = connectionsMax
        self.bodyMax = bodyMax
        self.bodiesMax = bodiesMax
        self.times = times
    }
}

/// How long each part of an exchange may take in all, however busy its peer looks.
package struct HTTPTimes: Hashable, Sendable {
    /// From the connection to the end of the first request's head.
    package let head: Duration
    /// From the end of an answer to the end of the next request's head.
    package let idle: Duration
    /// From the head to the end of the body.
    package let body: Duration
    /// The same of a body that is worked on while it comes.
    package let stream: Duration
    /// From an answer to its last byte.
    package let send: Duration

    package init(
        head: Duration = .seconds(10), idle: Duration = .seconds(75), body: Duration = .seconds(30),
        stream: Duration = .seconds(3600), send: Duration = .seconds(60)
    ) {
        self.head = head
        self.idle = idle
        self.body = body
        self.stream = stream
        self.send = send
    }
}
