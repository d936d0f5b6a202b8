import Martlet

/// Reads a long file, a thousand lines at a time, and goes on where it was interrupted.
public struct ImportCatalogue: Job, Equatable {
    public static let type = "catalogue.import"
    public static let options: JobOptions = {
        var options = JobOptions(timeout: .seconds(4 * 3600))
        options.retention = .seconds(24 * 3600)
        return options
    }()

    public struct Summary: Codable, Hashable, Sendable {
        public var products = 0
    }

    struct Position: Codable {
        var line = 0
        var summary = Summary()
    }

    public let file: String

    public init(file: String) {
        self.file = file
    }

    public func run(_ context: JobContext) async throws -> Summary {
        var position = try context.checkpoint(as: Position.self) ?? Position()
        let catalogue = try await Catalogue.open(self.file)
        while position.line < catalogue.lineCount {
            let names = try await catalogue.store(from: position.line, atMost: 1000)
            position.line += names.count
            position.summary.products += names.count
            try await context.save(checkpoint: position)
            context.progress(Double(position.line) / Double(catalogue.lineCount), "line \(position.line)")
        }
        try context.submit(IndexProduct(name: self.file))
        try context.submit(WelcomeMail(address: "buyers@example.org"), delay: .seconds(3600))
        return position.summary
    }
}

/// A file of products, and the shelf that they go to.
public actor Catalogue {
    public struct Torn: Error {}

    @TaskLocal public static var shared: Catalogue?

    let lineCount: Int
    public private(set) var stored: [Int] = []
    private var tearsAt: Int?

    /// - Parameter tearsAt: reading this line fails, once.
    public init(lineCount: Int, tearsAt: Int? = nil) {
        self.lineCount = lineCount
        self.tearsAt = tearsAt
    }

    static func open(_ file: String) async throws -> Catalogue {
        guard let shared else { throw NonRetryable("there is no file \(file)") }
        return shared
    }

    func store(from line: Int, atMost count: Int) throws -> [Int] {
        let lines = Array(line..<min(line + count, self.lineCount))
        if let tearsAt, lines.contains(tearsAt) {
            self.tearsAt = nil
            throw Torn()
        }
        self.stored += lines
        return lines
    }
}

/// Imports a file and waits for it.
public func importCatalogue(_ file: String, through client: Client) async throws -> Int {
    let id = try await client.submit(ImportCatalogue(file: file))
    let summary = try await client.result(of: id, as: ImportCatalogue.Summary.self, timeout: .seconds(600))
    return summary.products
}

/// Looks without waiting.
public func describe(_ id: JobID, through client: Client) async throws -> String {
    guard let status = try await client.status(of: id) else { return "done and forgotten" }
    guard let progress = status.progress else { return "\(status.state)" }
    return "\(Int(progress * 100)) %, \(status.progressMessage ?? "")"
}
