import CNNG
import Foundation

/// Keeps some submits in flight until all are answered, then waits until the last job is deleted.
final class Client: @unchecked Sendable {
    private let lock = NSLock()
    private let finished = DispatchSemaphore(value: 0)
    private let socket: nng_socket
    private var askings: [Asking] = []
    private var unsent = 0
    private var unanswered = 0

    init(address: String) {
        self.socket = Asking.connect(to: address)
        for _ in 0..<ReferenceLoop.submitsInFlight {
            self.askings.append(Asking(self.socket) { [unowned self] asking, _ in self.answered(asking) })
        }
    }

    /// Submits `jobs` and returns once `total` in all have been deleted.
    func run(jobs: Int, total: Int) {
        self.lock.lock()
        self.unsent = jobs / ReferenceLoop.submitCount
        self.unanswered = self.unsent
        let first = self.askings.prefix(self.unsent)
        self.unsent -= first.count
        self.lock.unlock()
        for asking in first { asking.ask(Self.submit()) }
        self.finished.wait()

        let finished = self.finished
        let awaiting = Asking(self.socket) { _, _ in finished.signal() }
        var message = Message(count: 9)
        message.write(Operation.await.rawValue)
        message.write(Int64(total))
        awaiting.ask(message)
        self.finished.wait()
    }

    private func answered(_ asking: Asking) {
        self.lock.lock()
        let sendsMore = self.unsent > 0
        if sendsMore { self.unsent -= 1 }
        self.unanswered -= 1
        let isLast = self.unanswered == 0
        self.lock.unlock()
        if sendsMore { asking.ask(Self.submit()) }
        if isLast { self.finished.signal() }
    }

    private static func submit() -> Message {
        let payloadCount = ReferenceLoop.payloadCount
        var message = Message(count: 1 + ReferenceLoop.submitCount * (4 + payloadCount))
        message.write(Operation.submit.rawValue)
        withUnsafeTemporaryAllocation(byteCount: payloadCount, alignment: 8) { payload in
            payload.initializeMemory(as: UInt8.self, repeating: 0x2A)
            for _ in 0..<ReferenceLoop.submitCount {
                message.write(UInt32(payloadCount))
                message.write(UnsafeRawBufferPointer(payload))
            }
        }
        return message
    }
}
