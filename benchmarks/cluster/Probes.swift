import CNNG
import Foundation

/// Durations of one kind, in nanoseconds, shown as milliseconds.
struct Samples: CustomStringConvertible {
    private let sorted: [UInt64]

    init(_ samples: some Sequence<UInt64>) {
        self.sorted = samples.sorted()
        precondition(!self.sorted.isEmpty, "nothing was measured")
    }

    var count: Int { self.sorted.count }
    var median: Double { self.at(0.5) }
    var p99: Double { self.at(0.99) }

    var description: String {
        "median \(text(self.median)) ms, p90 \(text(self.at(0.9))) ms, p99 \(text(self.p99)) ms (\(self.count) samples)"
    }

    private func at(_ share: Double) -> Double {
        Double(self.sorted[min(self.sorted.count - 1, Int(Double(self.sorted.count) * share))]) / 1e6
    }
}

/// How long the disk under the store takes to make 8 KiB durable, in a file that has its space already.
final class DiskProbe {
    private static let bytes = [UInt8](repeating: 0x2a, count: 8192)
    private static let blocks = 256
    private let descriptor: Int32
    private var next = 0
    private(set) var samples: [UInt64] = []

    init(folder: String) throws {
        self.descriptor = open(folder + "/probe", O_RDWR | O_CREAT, 0o600)
        guard self.descriptor >= 0 else { throw POSIXError(.EIO) }
        for place in 0..<Self.blocks { self.write(at: place) }
        fdatasync(self.descriptor)
    }

    deinit { close(self.descriptor) }

    func sample() {
        let start = DispatchTime.now().uptimeNanoseconds
        self.write(at: self.next)
        fdatasync(self.descriptor)
        self.samples.append(DispatchTime.now().uptimeNanoseconds - start)
        self.next = (self.next + 1) % Self.blocks
    }

    private func write(at place: Int) {
        _ = pwrite(self.descriptor, Self.bytes, Self.bytes.count, off_t(place * Self.bytes.count))
    }
}

/// How long nng alone takes to carry 64 bytes to another process and back.
final class WireProbe {
    private var socket = nng_socket()
    private(set) var samples: [UInt64] = []

    init(address: String) throws {
        guard nng_req0_open(&self.socket) == 0 else { throw POSIXError(.EIO) }
        // The other process may not listen yet.
        while nng_dial(self.socket, address, nil, 0) != 0 { usleep(10_000) }
    }

    func sample() throws {
        var bytes = [UInt8](repeating: 0x2a, count: 64)
        var count = bytes.count
        let start = DispatchTime.now().uptimeNanoseconds
        guard nng_send(self.socket, &bytes, count, 0) == 0, nng_recv(self.socket, &bytes, &count, 0) == 0 else {
            throw POSIXError(.EIO)
        }
        self.samples.append(DispatchTime.now().uptimeNanoseconds - start)
    }
}

/// The other end of a ``WireProbe``: sends back what comes.
enum EchoRole {
    static func run(_ settings: Settings) throws {
        var socket = nng_socket()
        guard nng_rep0_open(&socket) == 0, nng_listen(socket, settings.echoAddress, nil, 0) == 0 else {
            throw POSIXError(.EIO)
        }
        var bytes = [UInt8](repeating: 0, count: 64)
        while true {
            var count = bytes.count
            guard nng_recv(socket, &bytes, &count, 0) == 0, nng_send(socket, &bytes, count, 0) == 0 else { return }
        }
    }
}
