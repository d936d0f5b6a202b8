/// Why a test cannot go on.
struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Looks until `condition` holds.
///
/// - Throws: ``Failure`` naming `what`, once `limit` has passed.
func eventually(
    _ what: String, within limit: Duration = .seconds(20), _ condition: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < end else { throw Failure("within \(limit) this did not come true: \(what)") }
        try await Task.sleep(for: .milliseconds(20))
    }
}
