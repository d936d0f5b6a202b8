import Foundation
import Martlet
import MartletTesting
import Shop
import Synchronization
import Testing

/// What the guides say of their examples.
@Suite struct GuideTests {
    @Test func remindersWaitForTheirTime() async throws {
        let locales = Mutex<[String]>([])
        let cluster = try await TestCluster { worker in
            worker.use(Localization())
            worker.use { _, next in
                locales.withLock { $0.append(Localization.locale) }
                try await next()
            }
            worker.register(WelcomeMail.self)
        }
        let sale = cluster.now.date.addingTimeInterval(7200)
        let ids = try await remind("ada@example.org", of: sale, through: cluster.client)
        let waiting = try await cluster.waiting()
        #expect(waiting.map(\.due) == [nil, cluster.now + .seconds(3600), WallTime(sale), nil, nil, nil, nil])
        #expect(waiting[3].queue == "mail.bulk" && waiting[6].options.tags == ["sale", "spring"])
        #expect(try await cluster.runNext()?.id == ids[4], "the most urgent first")
        // Nobody starts one within a quarter of an hour.
        try await cluster.advance(by: .seconds(901))
        #expect(try await cluster.state(of: ids[5]) == .expired)
        try await cluster.drain()
        #expect(locales.withLock { $0 }.sorted() == ["de", "en", "en", "en"])
        #expect(try await remindAll(["a@example.org", "b@example.org"], through: cluster.client).count == 2)
    }

    @Test func anImportGoesOnWhereItWasInterrupted() async throws {
        let catalogue = Catalogue(lineCount: 3500, tearsAt: 2400)
        let cluster = try await TestCluster { worker in
            worker.use { _, next in try await Catalogue.$shared.withValue(catalogue) { try await next() } }
            worker.register(ImportCatalogue.self)
        }
        let id = try await cluster.client.submit(ImportCatalogue(file: "spring.csv"))
        let torn = try await cluster.runNext()
        #expect(torn?.error is Catalogue.Torn)
        #expect(try await cluster.submitted(IndexProduct.self).isEmpty, "a failed attempt leaves no jobs")
        try await cluster.advance(by: .seconds(3600))
        #expect(try await cluster.runNext()?.outcome == .succeeded)
        #expect(await catalogue.stored == Array(0..<3500), "no line twice, none left out")
        let summary = try await cluster.client.result(of: id, as: ImportCatalogue.Summary.self)
        #expect(summary.products == 3500)
        #expect(try await cluster.submitted(IndexProduct.self).count == 1)
        #expect(try await cluster.waiting().map(\.type) == ["search.index", "mail.welcome"])
        #expect(try await describe(id, through: cluster.client) == "succeeded")
    }

    /// Whoever waits is told when the job ends.
    @Test func theResultOfAnImportIsWaitedFor() async throws {
        let catalogue = Catalogue(lineCount: 10)
        let cluster = try await TestCluster { worker in
            worker.use { _, next in try await Catalogue.$shared.withValue(catalogue) { try await next() } }
            worker.register(ImportCatalogue.self)
        }
        async let count = importCatalogue("spring.csv", through: cluster.client)
        while try await cluster.waiting().isEmpty {}
        try await cluster.drain()
        #expect(try await count == 10)
    }

    @Test func aShopsManyLettersDoNotDelayAnothers() async throws {
        let order = Mutex<[String]>([])
        let cluster = try await TestCluster { worker in
            worker.register(raw: WelcomeMail.type) { payload, _ in
                order.withLock { $0.append(payload.text?.contains("small") == true ? "small" : "big") }
            }
        }
        let many = (0..<50).map { WelcomeMail(address: "\($0)@big.example") }
        try await send(many, of: "big", through: cluster.client)
        try await send([WelcomeMail(address: "ada@small.example")], of: "small", through: cluster.client)
        try await cluster.drain()
        let place = try #require(order.withLock { $0.firstIndex(of: "small") })
        #expect(place <= 2, "not behind fifty others")
    }

    @Test func changesOfAnAccountKeepTheirOrder() async throws {
        let made = Mutex<[String]>([])
        let cluster = try await TestCluster(TestConfiguration(slots: 4)) { worker in
            worker.register(raw: "account.change") { payload, context in
                if payload.text == "open", context.attempt == 1 { throw CancellationError() }
                made.withLock { $0.append(payload.text ?? "") }
            }
            worker.register(raw: "reorder") { _, _ in }
        }
        for step in ["open", "rename", "close"] { try await change("7", step, through: cluster.client) }
        try await reorder("ink", from: "acme", through: cluster.client)
        try await cluster.drain()
        #expect(made.withLock { $0 }.isEmpty, "the others wait for the first, which failed")
        try await cluster.advance(by: .seconds(3600))
        try await cluster.drain()
        #expect(made.withLock { $0 } == ["open", "rename", "close"])
    }
}
