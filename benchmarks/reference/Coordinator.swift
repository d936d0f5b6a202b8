import CNNG
import Foundation

/// Takes everything that has come, writes it in one transaction, answers, and hands jobs to whoever waits for some.
final class Coordinator {
    /// Filled by nng's threads, emptied by the one that owns the database.
    private final class Inbox: @unchecked Sendable {
        private let condition = NSCondition()
        private var arrivals: [OpaquePointer] = []
        private var senders: [Answering] = []

        func put(_ from: Answering, _ message: consuming Message) {
            self.condition.lock()
            self.arrivals.append(message.relinquish())
            self.senders.append(from)
            if self.arrivals.count == 1 { self.condition.signal() }
            self.condition.unlock()
        }

        /// Waits until something is there and takes all of it.
        func takeAll() -> [(Answering, OpaquePointer)] {
            self.condition.lock()
            while self.arrivals.isEmpty { self.condition.wait() }
            let all = Array(zip(self.senders, self.arrivals))
            self.arrivals.removeAll(keepingCapacity: true)
            self.senders.removeAll(keepingCapacity: true)
            self.condition.unlock()
            return all
        }
    }

    /// A submit that is durable and not delivered yet.
    private struct ReadyJobs {
        let first: Int64
        let message: OpaquePointer
        let bytesCount: Int
    }

    private static let contextsMax = 64
    private static let deliveryBytesMax = 256 * 1024

    private let table: JobTable
    private var nextID: Int64 = 1
    private var deletedCount: Int64 = 0
    private var ready: [ReadyJobs] = []
    private var readyStart = 0
    private var fetches: [Answering] = []
    private var awaiting: (from: Answering, count: Int64)?

    private init(table: JobTable) {
        self.table = table
    }

    /// Prints the port, then serves for ever.
    static func run(databasePath: String) -> Never {
        let inbox = Inbox()
        let (socket, port) = Answering.listen()
        let contexts = (0..<Self.contextsMax).map { _ in Answering(socket) { inbox.put($0, $1) } }
        let coordinator = Coordinator(table: JobTable(path: databasePath))
        print(port)
        fflush(nil)
        while true {
            coordinator.serve(inbox.takeAll())
            withExtendedLifetime(contexts) {}
        }
    }

    private func serve(_ arrivals: [(Answering, OpaquePointer)]) {
        var submits: [(from: Answering, jobs: ReadyJobs)] = []
        var reports: [Answering] = []
        var isWriting = false
        for (from, raw) in arrivals {
            var message = Message(adopting: raw)
            let operation = Operation(rawValue: message.read())!
            if !isWriting, operation == .submit || operation == .report {
                self.table.begin()
                isWriting = true
            }
            switch operation {
            case .submit: submits.append((from, self.insert(message)))
            case .report:
                while !message.isAtEnd {
                    self.table.delete(message.read())
                    self.deletedCount += 1
                }
                reports.append(from)
            case .fetch: self.fetches.append(from)
            case .await: self.awaiting = (from, message.read())
            }
        }
        if isWriting { self.table.commit() }
        for (from, jobs) in submits {
            from.answer(Self.reply(jobs.first))
            self.ready.append(jobs)
        }
        for from in reports { from.answer(Self.reply(0)) }
        self.deliver()
        if let (from, count) = self.awaiting, self.deletedCount >= count {
            self.awaiting = nil
            from.answer(Self.reply(self.deletedCount))
        }
    }

    private func insert(_ submit: consuming Message) -> ReadyJobs {
        let first = self.nextID
        while !submit.isAtEnd {
            let length = Int(submit.read(UInt32.self))
            self.table.insert(self.nextID, submit.read(count: length))
            self.nextID += 1
        }
        let bytesCount = submit.count - 1 + Int(self.nextID - first) * 8
        return ReadyJobs(first: first, message: submit.relinquish(), bytesCount: bytesCount)
    }

    private func deliver() {
        while self.readyStart < self.ready.count, let fetch = self.fetches.popLast() {
            var end = self.readyStart
            var bytes = 0
            while end < self.ready.count,
                end == self.readyStart || bytes + self.ready[end].bytesCount < Self.deliveryBytesMax
            {
                bytes += self.ready[end].bytesCount
                end += 1
            }
            var delivery = Message(count: bytes)
            for jobs in self.ready[self.readyStart..<end] { Self.append(jobs, to: &delivery) }
            fetch.answer(delivery)
            self.readyStart = end
        }
        if self.readyStart == self.ready.count || self.readyStart > 4096 {
            self.ready.removeFirst(self.readyStart)
            self.readyStart = 0
        }
    }

    private static func append(_ jobs: ReadyJobs, to delivery: inout Message) {
        var submit = Message(adopting: jobs.message)
        _ = submit.read(UInt8.self)
        var id = jobs.first
        while !submit.isAtEnd {
            let length = submit.read(UInt32.self)
            delivery.write(id)
            delivery.write(length)
            delivery.write(submit.read(count: Int(length)))
            id += 1
        }
    }

    private static func reply(_ number: Int64) -> Message {
        var message = Message(count: 8)
        message.write(number)
        return message
    }
}
