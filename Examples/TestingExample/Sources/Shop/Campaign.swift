import Martlet

/// Writes to all customers, and says so when the last letter is out.
public func announce<Letters: AsyncSequence & Sendable>(
    _ letters: Letters, through client: Client
) async throws -> Batch where Letters.Element == WelcomeMail {
    let batch = try await client.openBatch(
        "spring sale", onEnd: CampaignNote(text: "all letters are out"),
        onSuccess: CampaignNote(text: "every letter arrived"), onDeath: CampaignNote(text: "a letter came back"))
    try await batch.submit(stream: letters)
    try await batch.close()
    return batch
}

public struct CampaignNote: Job, Equatable {
    public static let type = "campaign.note"
    public static let queue = "mail"

    public let text: String

    public init(text: String) {
        self.text = text
    }

    public func run(_ context: JobContext) async throws {
        try await Mail.mailer?.send(self.text, to: "sales@example.org")
    }
}

/// A batch for each country, and one around them.
public func announce(in countries: [String: [WelcomeMail]], through client: Client) async throws -> Batch {
    let all = try await client.openBatch("spring sale", onEnd: CampaignNote(text: "all countries are done"))
    for (country, letters) in countries.sorted(by: { $0.key < $1.key }) {
        let batch = try await all.openBatch(
            "spring sale, \(country)", onEnd: CampaignNote(text: "\(country) is done"))
        try await batch.submit(letters)
        try await batch.close()
    }
    try await all.close()
    return all
}

/// Finds out which pages a site has, a job for each: jobs of a batch that add jobs to it.
public struct CrawlPage: Job {
    public static let type = "site.crawl"

    public let path: String
    public let batch: UInt64

    public init(path: String, batch: UInt64) {
        self.path = path
        self.batch = batch
    }

    public func run(_ context: JobContext) async throws {
        for link in Site.links[self.path] ?? [] {
            var options = JobOptions.standard
            options.batch = BatchID(rawValue: self.batch)
            try context.submit(CrawlPage(path: link, batch: self.batch), options: options)
        }
    }
}

enum Site {
    static let links = ["/": ["/ink", "/pens"], "/pens": ["/pens/blue", "/pens/red"]]
}

public func crawl(through client: Client) async throws -> Batch {
    let batch = try await client.openBatch("crawl", onEnd: CampaignNote(text: "the site is read"))
    try await batch.submit(CrawlPage(path: "/", batch: batch.id.rawValue))
    try await batch.close()
    return batch
}

/// Waits for a batch, and tells how it went.
public func describe(_ batch: Batch) async throws -> String {
    guard let status = try await batch.status() else { return "not there" }
    let percent = Int(status.progress * 100)
    return "\(percent) %: \(status.pending) pending, \(status.succeeded) succeeded, \(status.dead) dead"
}

/// Stops a campaign: jobs that have not ended end as cancelled, and the batch with them once it is closed.
public func stop(_ batch: Batch) async throws {
    try await batch.close()
    let change = try await batch.cancel()
    print("\(change.count) letters stopped")
}
