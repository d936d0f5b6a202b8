import Martlet
import MartletTesting
import Shop
import Testing

@Suite struct ChargeOrderTests {
    private static func cluster(_ service: FakePaymentService) async throws -> TestCluster {
        try await TestCluster { worker in
            worker.use(PaymentProvision(service: service))
            worker.register(ChargeOrder.self)
            worker.register(IndexProduct.self)
        }
    }

    @Test func whateverHappensACustomerPaysOnce() async throws {
        let service = FakePaymentService(.down, .slow, .losesAnswer, .works)
        let cluster = try await Self.cluster(service)
        let id = try await pay(order: "order-7", of: "ada", cents: 1250, through: cluster.client)
        var runs: [JobRun] = []
        while try await cluster.state(of: id) != .succeeded {
            runs += try await cluster.drain()
            try await cluster.advance(by: .seconds(60))
        }
        #expect(runs.map { $0.failure?.kind } == ["Down", "timeout", "ConnectionLost", nil])
        #expect(await service.calls == 4)
        #expect(await service.payments == ["martlet-job-\(id)": 1250])
        let receipt = try await cluster.client.result(of: id, as: ChargeOrder.Receipt.self)
        #expect(receipt.payment == "payment for martlet-job-\(id)" && receipt.attempt == 4)
    }

    @Test func whoClicksTwicePaysOnce() async throws {
        let service = FakePaymentService()
        let cluster = try await Self.cluster(service)
        let first = try await pay(order: "order-7", of: "ada", cents: 1250, through: cluster.client)
        let second = try await pay(order: "order-7", of: "ada", cents: 1250, through: cluster.client)
        try await cluster.drain()
        // An hour later, from a page that was left open.
        try await cluster.advance(by: .seconds(3600))
        let third = try await pay(order: "order-7", of: "ada", cents: 1250, through: cluster.client)
        try await cluster.drain()
        #expect(second == first && third == first)
        #expect(await service.calls == 1)
        try await pay(order: "order-8", of: "ada", cents: 990, through: cluster.client)
        try await cluster.drain()
        #expect(await service.payments.values.sorted() == [990, 1250])
    }

    @Test func aDeclinedCardIsNotTriedAgain() async throws {
        let service = FakePaymentService(.declines)
        let cluster = try await Self.cluster(service)
        let id = try await pay(order: "order-7", of: "ada", cents: 1250, through: cluster.client)
        #expect(try await cluster.drain().map(\.outcome) == [.dead])
        // The key is free again: with another card the customer may try once more.
        #expect(try await pay(order: "order-7", of: "ada", cents: 1250, through: cluster.client) != id)
    }

    @Test func manyChangesAreIndexedOnce() async throws {
        let cluster = try await Self.cluster(FakePaymentService())
        for _ in 0..<10 {
            try await productChanged("ink", through: cluster.client)
            try await cluster.advance(by: .seconds(1))
        }
        #expect(try await cluster.drain().isEmpty, "the last change was a second ago")
        try await cluster.advance(by: .seconds(4))
        #expect(try await cluster.drain().count == 1)
    }

    @Test func oneStockTakingAtATime() async throws {
        let cluster = try await Self.cluster(FakePaymentService())
        try await takeStock(through: cluster.client)
        try await takeStock(through: cluster.client)
        #expect(try await cluster.waiting().count == 1)
    }
}
