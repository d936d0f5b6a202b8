import Martlet

public struct IndexProduct: Job {
    public static let type = "search.index"

    public let name: String

    public init(name: String) {
        self.name = name
    }

    /// Not called where a batch handler serves the type.
    public func run(_ context: JobContext) async throws {
        guard try await SearchIndex.shared.add([self.name]).isEmpty else { throw Rejected() }
    }
}

public struct Rejected: Error {}

/// A search index that takes many names at once.
public actor SearchIndex {
    public static let shared = SearchIndex()

    public private(set) var calls: [[String]] = []

    /// Returns the names that it does not take.
    func add(_ names: [String]) throws -> Set<String> {
        self.calls.append(names)
        return Set(names.filter(\.isEmpty))
    }
}
