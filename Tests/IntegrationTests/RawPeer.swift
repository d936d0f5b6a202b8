import Foundation
import MartletCore
import MartletWire

/// A bare TCP connection that can say anything.
final class RawPeer {
    /// What each side of a scalability protocol says first, with the number of its role.
    static func greeting(_ role: UInt8) -> [UInt8] { [0, 0x53, 0x50, 0, 0, role, 0, 0] }
    static let request: UInt8 = 0x30
    static let publish: UInt8 = 0x20

    private let descriptor: Int32

    init(address: String) throws {
        guard let port = address.split(separator: ":").last.flatMap({ Int($0) }) else {
            throw Failure("\(address) has no port")
        }
        self.descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var patience = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(self.descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let code = withSocketAddress(port: port) { Foundation.connect(self.descriptor, $0, $1) }
        guard code == 0 else {
            close(self.descriptor)
            throw Failure("cannot connect to \(address): \(String(cString: strerror(errno)))")
        }
    }

    deinit { close(self.descriptor) }

    /// Ends with a reset instead of a farewell.
    func reset() {
        var linger = Foundation.linger(l_onoff: 1, l_linger: 0)
        setsockopt(
            self.descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Foundation.linger>.size))
    }

    /// The other side may be gone already; that is not this peer's concern.
    func say(_ bytes: [UInt8]) {
        _ = bytes.withUnsafeBytes { send(self.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    /// One message with a request's number before the frame.
    func ask(_ frame: [UInt8]) {
        let number: [UInt8] = [0x80, 0, 0, 1]
        let length = UInt64(number.count + frame.count).bigEndian
        self.say(withUnsafeBytes(of: length) { Array($0) } + number + frame)
    }

    /// Reads the greeting and the answer to one request.
    func refusal() throws -> ErrorReply {
        _ = try self.read(8)
        let length = try self.read(8).reduce(0) { $0 << 8 | Int($1) }
        guard (4...65536).contains(length) else { throw Failure("an answer of \(length) bytes") }
        let frame = try self.read(length).dropFirst(4)
        guard case .refused(let refusal) = try Reply<Pong>.decode(Bytes(copying: frame)) else {
            throw Failure("this was to be refused")
        }
        return refusal
    }

    private func read(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var place = 0
        while place < count {
            let got = bytes.withUnsafeMutableBytes {
                recv(self.descriptor, $0.baseAddress! + place, count - place, 0)
            }
            guard got > 0 else { throw Failure("the connection ended after \(place) of \(count) bytes") }
            place += got
        }
        return bytes
    }
}
