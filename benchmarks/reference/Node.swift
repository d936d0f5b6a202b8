import CNNG
import Foundation

/// Fetches jobs, reads each payload, and reports the ids as done.
enum Node {
    /// Fetches that are out at once, so that one is parked while another is on its way.
    private static let fetchesInFlight = 4

    static func run(address: String) -> Never {
        let socket = Asking.connect(to: address)
        let reports = Reports(socket)
        for _ in 0..<Self.fetchesInFlight {
            Asking(socket) { asking, delivery in
                asking.ask(Self.fetch())
                reports.send(Self.perform(delivery))
            }.ask(Self.fetch())
        }
        while true { pause() }
    }

    private static func fetch() -> Message {
        var message = Message(count: 1)
        message.write(Operation.fetch.rawValue)
        return message
    }

    /// The report of a delivery's jobs.
    private static func perform(_ delivery: consuming Message) -> Message {
        var count = 0
        var sum: UInt64 = 0
        while !delivery.isAtEnd {
            _ = delivery.read(Int64.self)
            let length = Int(delivery.read(UInt32.self))
            for byte in delivery.read(count: length) { sum &+= UInt64(byte) }
            count += 1
        }
        precondition(sum == UInt64(count * ReferenceLoop.payloadCount * 0x2A), "payloads arrive as they were sent")
        var report = Message(count: 1 + 8 * count)
        report.write(Operation.report.rawValue)
        delivery.rewind()
        while !delivery.isAtEnd {
            report.write(delivery.read(Int64.self))
            _ = delivery.read(count: Int(delivery.read(UInt32.self)))
        }
        return report
    }

    /// Contexts for reports: a free one is taken, or a new one made.
    private final class Reports: @unchecked Sendable {
        private let lock = NSLock()
        private let socket: nng_socket
        private var free: [Asking] = []

        init(_ socket: nng_socket) {
            self.socket = socket
        }

        func send(_ report: consuming Message) {
            self.lock.lock()
            let asking = self.free.popLast()
            self.lock.unlock()
            (asking ?? Asking(self.socket) { [unowned self] asking, _ in self.putBack(asking) }).ask(report)
        }

        private func putBack(_ asking: Asking) {
            self.lock.lock()
            self.free.append(asking)
            self.lock.unlock()
        }
    }
}
