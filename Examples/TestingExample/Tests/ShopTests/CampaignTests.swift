import Martlet
import MartletTesting
import Shop
import Testing

/// What the guides to batches and to control say.
@Suite struct CampaignTests {
    private func cluster(_ mailer: FakeMailer) async throws -> TestCluster {
        try await TestCluster { worker in
            configure(worker, mailer: mailer)
            worker.register(CampaignNote.self)
            worker.register(CrawlPage.self)
        }
    }

    private func letters(_ count: Int, _ country: String = "de") -> [WelcomeMail] {
        (0..<count).map { WelcomeMail(address: "\($0)@\(country).example") }
    }

    private func stream(_ letters: [WelcomeMail]) -> AsyncStream<WelcomeMail> {
        AsyncStream { continuation in
            for letter in letters { continuation.yield(letter) }
            continuation.finish()
        }
    }

    @Test func aCampaignTellsHowItWent() async throws {
        let mailer = FakeMailer()
        let cluster = try await self.cluster(mailer)
        let batch = try await announce(self.stream(self.letters(1200)), through: cluster.client)
        #expect(try await describe(batch) == "0 %: 1200 pending, 0 succeeded, 0 dead")
        let runs = try await cluster.drain()
        #expect(runs.count == 1202, "the letters, and two that are called")
        #expect(try await describe(batch) == "100 %: 0 pending, 1200 succeeded, 0 dead")
        #expect(await mailer.sent.suffix(2) == ["sales@example.org", "sales@example.org"])
    }

    @Test func theFirstLetterThatComesBackIsTold() async throws {
        let cluster = try await self.cluster(FakeMailer())
        let bad = [WelcomeMail(address: "nobody@example.org"), WelcomeMail(address: "nobody@example.org")]
        let batch = try await announce(self.stream(bad + self.letters(3)), through: cluster.client)
        let notes = try await cluster.drain().filter { $0.type == CampaignNote.type }
        #expect(notes.count == 2, "of a death and of the end")
        let status = try #require(try await batch.status())
        #expect(status.isFinished && status.dead == 2 && status.succeeded == 3)
        // One that is revived counts as pending again, and nobody is called a second time.
        #expect(try await cluster.client.retry(where: JobQuery(state: .dead, batch: batch.id)).count == 2)
        #expect(try await batch.status()?.pending == 2)
        #expect(try await cluster.drain().filter { $0.type == CampaignNote.type }.isEmpty)
    }

    @Test func countriesAreCountedByThemselvesAndTogether() async throws {
        let cluster = try await self.cluster(FakeMailer())
        let all = try await announce(
            in: ["de": self.letters(3), "fr": self.letters(2, "fr")], through: cluster.client)
        #expect(try await describe(all) == "0 %: 2 pending, 0 succeeded, 0 dead")
        #expect(try await cluster.drain().filter { $0.type == CampaignNote.type }.count == 3)
        #expect(try await describe(all) == "100 %: 0 pending, 2 succeeded, 0 dead")
        let names = try await cluster.client.batches().map(\.name)
        #expect(names == ["spring sale, fr", "spring sale, de", "spring sale"])
    }

    @Test func jobsAddJobsToTheirClosedBatch() async throws {
        let cluster = try await self.cluster(FakeMailer())
        let batch = try await crawl(through: cluster.client)
        let runs = try await cluster.drain()
        #expect(runs.map(\.type) == Array(repeating: CrawlPage.type, count: 5) + [CampaignNote.type])
        #expect(try await describe(batch) == "100 %: 0 pending, 5 succeeded, 0 dead")
    }

    @Test func aStoppedCampaignEnds() async throws {
        let cluster = try await self.cluster(FakeMailer())
        let batch = try await announce(self.stream(self.letters(20)), through: cluster.client)
        try await stop(batch)
        #expect(try await cluster.drain().map(\.type) == [CampaignNote.type], "its end is told")
        #expect(try await batch.status()?.cancelled == 20)
    }

    @Test func lettersAreStoppedHeldAndTriedAgain() async throws {
        let mailer = FakeMailer()
        let cluster = try await self.cluster(mailer)
        let client = cluster.client
        var marked = WelcomeMail.options
        marked.tags = ["campaign-7"]
        try await client.submit(self.letters(4), options: marked)
        let ids = try await client.submit(self.letters(3, "fr"))
        #expect(try await stop(ids[0], through: client) == 4)
        try await lookAtLetters([ids[2]], through: client)
        #expect(try await cluster.drain().map(\.id) == [ids[2], ids[1]])
        try await client.submit(WelcomeMail(address: "nobody@example.org"))
        try await cluster.drain()
        #expect(try await retryLetters(through: client) == 1)
    }
}
