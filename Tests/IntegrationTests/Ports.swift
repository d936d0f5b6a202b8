import Foundation

/// Ports that nobody listens on.
enum Ports {
    /// Below those that the system gives to outgoing connections: a client that dials a coordinator which is down
    /// could otherwise be given the very port that it dials, connect to itself and keep the coordinator from it.
    private static let range = 20_000..<32_000

    static func free(_ count: Int) throws -> [Int] {
        var found: [Int] = []
        for _ in 0..<1000 where found.count < count {
            let port = Int.random(in: Self.range)
            if !found.contains(port), Self.isFree(port) { found.append(port) }
        }
        guard found.count == count else { throw Failure("no port is free") }
        return found
    }

    private static func isFree(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return withSocketAddress(port: port) { bind(descriptor, $0, $1) == 0 }
    }
}

/// Calls `body` with the address of a port on the loopback interface.
func withSocketAddress<R>(port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
}
