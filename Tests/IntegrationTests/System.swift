import Foundation

/// Programs of the system.
enum System {
    /// Runs one to its end.
    ///
    /// - Returns: what it complained of, or nil if it succeeded.
    static func run(_ command: [String]) async throws -> String? {
        let log = NSTemporaryDirectory() + "martlet-\(UUID().uuidString.prefix(8)).log"
        defer { unlink(log) }
        let name = command.joined(separator: " ")
        // Programs of the administrator are not in every user's path.
        let path = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin") + ":/usr/sbin:/sbin"
        let process = try ChildProcess(name, ["/usr/bin/env"] + command, environment: ["PATH": path], logPath: log)
        let status = try await process.exit()
        let said = process.log.trimmingCharacters(in: .whitespacesAndNewlines)
        return status == 0 ? nil : "\(name): \(said) (\(status))"
    }
}
