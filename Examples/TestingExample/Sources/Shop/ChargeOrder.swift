import Martlet

/// A service that takes money. Of two calls with the same key it carries one out, and answers both alike.
public protocol PaymentService: Sendable {
    /// Returns the payment's number.
    func charge(_ cents: Int, to customer: String, idempotencyKey: String) async throws -> String
}

public struct CardDeclined: Error {
    public init() {}
}

/// The payment service of the job that runs.
public enum Payments {
    @TaskLocal public static var service: (any PaymentService)?
}

public struct ChargeOrder: Job, Equatable {
    public static let type = "order.charge"
    public static let queue = "payments"
    public static let options = JobOptions(
        timeout: .seconds(30),
        retry: RetryPolicy(maxAttempts: 8, initialBackoff: .seconds(10), maxBackoff: .seconds(3600), jitter: 0))

    public struct Receipt: Codable, Hashable, Sendable {
        public let payment: String
        public let attempt: Int
    }

    public let order: String
    public let customer: String
    public let cents: Int

    public init(order: String, customer: String, cents: Int) {
        self.order = order
        self.customer = customer
        self.cents = cents
    }

    public func run(_ context: JobContext) async throws -> Receipt {
        guard let payments = Payments.service else { throw NonRetryable("there is no payment service") }
        do {
            let payment = try await payments.charge(
                self.cents, to: self.customer, idempotencyKey: context.idempotencyKey)
            return Receipt(payment: payment, attempt: context.attempt)
        } catch is CardDeclined {
            // Another attempt would be declined as well.
            throw NonRetryable("the card was declined")
        }
    }
}

/// Has an order paid, once, however often a customer clicks.
@discardableResult
public func pay(order: String, of customer: String, cents: Int, through client: Client) async throws -> JobID {
    var options = ChargeOrder.options
    options.unique = UniqueKey(order, window: .afterSuccess(.seconds(24 * 3600)))
    options.retention = .seconds(24 * 3600)
    return try await client.submit(
        ChargeOrder(order: order, customer: customer, cents: cents), options: options)
}

/// Brings the search index up to date, five seconds after the last of many changes.
public func productChanged(_ name: String, through client: Client) async throws {
    var options = JobOptions.standard
    options.unique = UniqueKey("product \(name)", conflict: .replace)
    try await client.submit(IndexProduct(name: name), options: options, delay: .seconds(5))
}

/// Starts a stock-taking, unless one is under way.
public func takeStock(through client: Client) async throws {
    var options = JobOptions.standard
    options.unique = UniqueKey("stock-taking", conflict: .refuse)
    do throws(MartletError) {
        try await client.submit(ImportCatalogue(file: "stock.csv"), options: options)
    } catch {
        guard error.code == .duplicate else { throw error }
        print("job \(error.existing.map { "\($0)" } ?? "?") is at it")
    }
}
