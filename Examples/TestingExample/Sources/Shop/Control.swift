import Martlet

/// Stops one letter, or a campaign's.
public func stop(_ id: JobID, through client: Client) async throws -> Int {
    try await client.cancel(id)  // false: it has ended already, or never was
    let change = try await client.cancel(where: JobQuery(queue: "mail", tag: "campaign-7"))
    return change.count
}

/// Holds the letters back while somebody looks at them, and lets them go, the urgent ones first.
public func lookAtLetters(_ urgent: [JobID], through client: Client) async throws {
    try await client.pause(queue: "mail")
    try await client.setPriority(.lowest, where: JobQuery(queue: "mail"))
    for id in urgent {
        try await client.setPriority(.highest, of: id)
        try await client.reschedule(id, delay: .zero)
    }
    try await client.resume(queue: "mail")
}

/// Tries again what was given up for lack of a mailer.
public func retryLetters(through client: Client) async throws -> Int {
    let change = try await client.retry(where: JobQuery(state: .dead, type: WelcomeMail.type))
    return change.count
}
