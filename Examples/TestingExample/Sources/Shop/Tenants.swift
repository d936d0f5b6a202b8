import Martlet

/// Sends a shop's letters. Another shop's million letters do not delay them.
public func send(_ letters: [WelcomeMail], of shop: String, through client: Client) async throws {
    var options = WelcomeMail.options
    options.group = shop
    try await client.submit(letters, options: options)
}

/// One call at a time to each supplier, from all workers together.
public func reorder(_ product: String, from supplier: String, through client: Client) async throws {
    var options = JobOptions.standard
    options.key = supplier
    try await client.submit(
        raw: RawJob(type: "reorder", queue: "suppliers", payload: Payload(product), options: options))
}

/// Changes of an account are made one after the other, as they were submitted.
public func change(_ account: String, _ change: String, through client: Client) async throws {
    var options = JobOptions.standard
    options.key = account
    options.isOrdered = true
    try await client.submit(
        raw: RawJob(type: "account.change", queue: "accounts", payload: Payload(change), options: options))
}
