import Martlet
import MartletTesting
import Shop
import Testing

/// What the guide to workflows says.
@Suite struct FulfilmentTests {
    private func cluster(_ payments: FakePaymentService) async throws -> TestCluster {
        try await TestCluster { worker in
            worker.use(PaymentProvision(service: payments))
            worker.register(OrderStep.self)
            worker.register(ChargeOrder.self)
        }
    }

    @Test func anOrderIsShippedOnceItIsPaidAndPacked() async throws {
        let cluster = try await self.cluster(FakePaymentService())
        let handle = try await fulfil("7", of: "ada", cents: 900, through: cluster.client)
        #expect(
            try await describe(handle)
                == "6 of 6 open, 0 failed; reserve: ready, charge: blocked, pack: blocked, ship: blocked, "
                + "put-back: blocked, archive: blocked")
        try await cluster.drain()
        #expect(
            try await describe(handle)
                == "0 of 6 open, 0 failed; reserve: succeeded, charge: succeeded, pack: succeeded, ship: succeeded, "
                + "put-back: cancelled, archive: succeeded")
        let ship = try #require(try await handle.status()?["ship"])
        let text = try await cluster.client.result(of: ship.job.id, as: String.self)
        #expect(text.hasPrefix("shipped 7, paid by payment for martlet-job-"), "\(text)")
        let charge = try #require(ship.parents.first)
        #expect(try await handle.status()?["charge"]?.job.id == charge.id && charge.kind == .onSuccess)
    }

    @Test func whatIsNotPaidIsPutBack() async throws {
        let cluster = try await self.cluster(FakePaymentService(.declines))
        let handle = try await fulfil("8", of: "ada", cents: 900, through: cluster.client)
        try await cluster.drain()
        let status = try #require(try await handle.status())
        #expect(status.steps.map(\.job.state) == [.succeeded, .dead, .succeeded, .cancelled, .succeeded, .succeeded])
        #expect(status["ship"]?.job.lastFailure?.kind == "parent failed")
        let putBack = try #require(status["put-back"])
        #expect(try await cluster.client.result(of: putBack.job.id) == "putBack 8, without [\"charge\"]")
        // A dead job that is revived does not bring back what was cancelled because of it.
        #expect(try await retryCharge(of: handle, through: cluster.client))
        try await cluster.drain()
        let after = try #require(try await handle.status())
        #expect(after["charge"]?.job.state == .succeeded && after["ship"]?.job.state == .cancelled)
    }

    private func retryCharge(of handle: WorkflowHandle, through client: Client) async throws -> Bool {
        let charge = try #require(try await handle.status()?["charge"])
        return try await client.retry(charge.job.id)
    }

    @Test func partsAreCountedWhenAllAreRead() async throws {
        let cluster = try await TestCluster { worker in
            worker.use { _, next in
                try await Catalogue.$shared.withValue(Catalogue(lineCount: 20)) { try await next() }
            }
            worker.register(ImportCatalogue.self)
            worker.register(CountProducts.self)
            worker.register(IndexProduct.self)
            worker.register(WelcomeMail.self)
        }
        let handle = try await importParts(["a.csv", "b.csv", "c.csv"], through: cluster.client)
        try await cluster.drain()
        let steps = try #require(try await handle.status()).steps
        #expect(
            steps.map(\.name) == ["catalogue.import", "catalogue.import-2", "catalogue.import-3", "catalogue.count"])
        #expect(try await cluster.client.result(of: steps[3].job.id) == 60)

        let chain = try await importAndTell("d.csv", through: cluster.client)
        let ids = try #require(try await chain.status()).steps.map(\.job.id)
        #expect(ids.count == 3)
        #expect(try await cluster.drain().map(\.id).filter(ids.contains) == ids, "and what imports leave")
        #expect(try await chain.status()?.isFinished == true)
    }

    @Test func whatMakesNoSenseIsRefusedAndNothingIsStored() async throws {
        let cluster = try await TestCluster()
        var workflow = Workflow("a circle")
        let pack = workflow.add(OrderStep(order: "9", act: .pack), name: "pack")
        let ship = workflow.add(OrderStep(order: "9", act: .ship), name: "ship", after: pack)
        workflow.order(pack, after: ship)
        let error = await #expect(throws: MartletError.self) { try await cluster.client.submit(workflow) }
        #expect(error?.code == .invalidRequest)
        #expect(error?.message.contains("cycle: \"pack\" after \"ship\" after \"pack\"") == true, "\(error!)")
        #expect(try await cluster.waiting().isEmpty)
    }
}
