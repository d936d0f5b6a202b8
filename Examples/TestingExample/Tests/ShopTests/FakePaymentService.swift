import Martlet
import Shop

/// Charges once a key, and behaves each time as the test has it.
actor FakePaymentService: PaymentService {
    enum Behaviour {
        case works
        /// Refuses before it does anything.
        case down
        /// Takes the money, and longer than anybody waits.
        case slow
        /// Takes the money; the answer is lost.
        case losesAnswer
        case declines
    }

    struct Down: Error {}
    struct ConnectionLost: Error {}

    /// Waits on the worker's clock, which a test's is.
    @TaskLocal static var sleep: @Sendable (Duration) async throws -> Void = { _ in }

    private var script: [Behaviour]
    private(set) var calls = 0
    private(set) var payments: [String: Int] = [:]

    init(_ script: Behaviour...) {
        self.script = script
    }

    func charge(_ cents: Int, to customer: String, idempotencyKey: String) async throws -> String {
        self.calls += 1
        let behaviour = self.script.isEmpty ? .works : self.script.removeFirst()
        if behaviour == .down { throw Down() }
        if behaviour == .declines { throw CardDeclined() }
        self.payments[idempotencyKey] = cents
        if behaviour == .slow { try await Self.sleep(.seconds(600)) }
        if behaviour == .losesAnswer { throw ConnectionLost() }
        return "payment for \(idempotencyKey)"
    }
}

/// Hands jobs their payment service.
struct PaymentProvision: HandlerMiddleware {
    let service: any PaymentService

    func handle(_ context: JobContext, next: Next) async throws {
        let sleep: @Sendable (Duration) async throws -> Void = { try await context.sleep(for: $0) }
        try await FakePaymentService.$sleep.withValue(sleep) {
            try await Payments.$service.withValue(self.service) { try await next() }
        }
    }
}
