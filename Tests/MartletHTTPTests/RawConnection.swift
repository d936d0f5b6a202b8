import Foundation

/// A connection on which a test says byte by byte what goes over it. Blocks, ten seconds at most.
final class RawConnection: @unchecked Sendable {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private let descriptor: Int32
    private var buffer: [UInt8] = []

    init(port: UInt16, receiveBuffer: Int32? = nil) throws {
        self.descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        if var size = receiveBuffer {
            setsockopt(self.descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
        var timeout = timeval(tv_sec: 10, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(self.descriptor, SOL_SOCKET, option, &timeout, socklen_t(MemoryLayout<timeval>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Foundation.connect(self.descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw Failure(description: "cannot connect: \(String(cString: strerror(errno)))") }
    }

    deinit { Foundation.close(self.descriptor) }

    static func request(_ method: String, _ target: String, headers: [String: String] = [:], body: String?) -> String {
        var headers = headers
        if headers["Host"] == nil { headers["Host"] = "localhost" }
        if let body, headers["Transfer-Encoding"] == nil { headers["Content-Length"] = "\(body.utf8.count)" }
        let lines = headers.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)\r\n" }
        return "\(method) \(target) HTTP/1.1\r\n\(lines.joined())\r\n\(body ?? "")"
    }

    func send(_ text: String) throws {
        var left = Array(text.utf8)[...]
        while !left.isEmpty {
            let count = left.withUnsafeBytes {
                Foundation.send(self.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure(description: "cannot send: \(String(cString: strerror(errno)))") }
            left = left.dropFirst(count)
        }
    }

    /// False at the end.
    private func fill() throws -> Bool {
        var chunk = [UInt8](repeating: 0, count: 65536)
        let count = recv(self.descriptor, &chunk, chunk.count, 0)
        if count < 0 {
            guard errno == ECONNRESET else {
                throw Failure(description: "nothing came: \(String(cString: strerror(errno)))")
            }
            return false
        }
        self.buffer += chunk[..<count]
        return count > 0
    }

    /// Reads until the peer has closed, and says after what time that was.
    func waitForClose() throws -> Duration {
        let start = ContinuousClock.now
        while try self.fill() {}
        return ContinuousClock.now - start
    }

    func line() throws -> String {
        while true {
            if let end = self.buffer.firstIndex(of: 0x0A) {
                let line = String(decoding: self.buffer[..<end], as: UTF8.self)
                self.buffer.removeFirst(end + 1)
                return line.hasSuffix("\r") ? String(line.dropLast()) : line
            }
            guard try self.fill() else { throw Failure(description: "the connection ended") }
        }
    }

    func receive(hasBody: Bool = true) throws -> RawAnswer {
        var status = 100
        while status == 100 {
            let parts = try self.line().split(separator: " ")
            status = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
            if status == 100 { _ = try self.line() }
        }
        var headers: [String: String] = [:]
        while case let line = try self.line(), !line.isEmpty {
            let parts = line.split(separator: ":", maxSplits: 1)
            headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
        }
        guard hasBody, let length = headers["content-length"].flatMap({ Int($0) }) else {
            return RawAnswer(status: status, headers: headers, body: "")
        }
        while self.buffer.count < length {
            guard try self.fill() else { throw Failure(description: "the body ended early") }
        }
        defer { self.buffer.removeFirst(length) }
        return RawAnswer(
            status: status, headers: headers, body: String(decoding: self.buffer[..<length], as: UTF8.self))
    }
}

struct RawAnswer: Sendable {
    let status: Int
    /// Names in lower case.
    let headers: [String: String]
    let body: String

    /// The body as a JSON object.
    func object() throws -> [String: Any] {
        try JSONSerialization.jsonObject(with: Data(self.body.utf8)) as? [String: Any] ?? [:]
    }

    var code: String? { (try? self.object())?["code"] as? String }
}
