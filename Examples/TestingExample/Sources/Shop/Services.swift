import Martlet

/// What the payment service answers to more calls than it takes (HTTP 429), and while it is down (503).
public struct TurnedAway: Error {
    /// As in its `Retry-After`.
    public let retryAfter: Duration?

    public init(retryAfter: Duration? = nil) {
        self.retryAfter = retryAfter
    }
}

/// Pays a customer's money back.
public struct RefundOrder: Job {
    public static let type = "order.refund"
    public static let queue = "payments"

    public let payment: String

    public init(payment: String) {
        self.payment = payment
    }

    public func run(_ context: JobContext) async throws {
        do {
            try await Refunds.refund?(self.payment)
        } catch let error as TurnedAway {
            throw ServiceUnavailable("stripe", retryAfter: error.retryAfter)
        }
    }
}

/// The refunds of the job that runs.
public enum Refunds {
    @TaskLocal public static var refund: (@Sendable (String) async throws -> Void)?
}

/// Finds the way from shop to shop, with a call to a map service for each.
public struct PlanTour: Job {
    public static let type = "tour.plan"

    public let stops: [String]

    public init(stops: [String]) {
        self.stops = stops
    }

    public func run(_ context: JobContext) async throws -> [String] {
        let maps = context.service("maps")
        var places: [String] = []
        for stop in self.stops {
            try await maps.acquire()
            places.append(try await Maps.find?(stop) ?? stop)
        }
        return places
    }
}

/// The map service of the job that runs.
public enum Maps {
    @TaskLocal public static var find: (@Sendable (String) async throws -> String)?
}

/// Refunds of one tenant's orders, which counts against the share that each tenant has of the service.
public func refund(_ payments: [String], of tenant: String, through client: Client) async throws {
    var options = JobOptions.standard
    options.services = [ServiceUse("stripe", key: tenant)]
    try await client.submit(payments.map { RefundOrder(payment: $0) }, options: options)
}
