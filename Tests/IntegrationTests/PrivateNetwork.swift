import Foundation

/// A network namespace that is joined to this process's by a cable that can be pulled.
final class PrivateNetwork: Sendable {
    /// The address inside.
    let host: String
    private let name: String
    private let outerLink: String
    private static let program =
        ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip"].first { FileManager.default.isExecutableFile(atPath: $0) }
        ?? "/usr/sbin/ip"

    /// Starts a program inside.
    var prefix: [String] { [Self.program, "netns", "exec", self.name] }

    /// - Throws: ``Failure`` if that is not permitted here.
    init() async throws {
        let mark = UUID().uuidString.prefix(6).lowercased()
        let name = "martlet-\(mark)"
        let outerLink = "mo\(mark)"
        let innerLink = "mi\(mark)"
        // Addresses for measurements of networks, which nobody else uses.
        let subnet = "198.\(Int.random(in: 18...19)).\(Int.random(in: 0...255))"
        self.name = name
        self.outerLink = outerLink
        self.host = "\(subnet).2"
        let steps = [
            ["netns", "add", name], ["link", "add", outerLink, "type", "veth", "peer", "name", innerLink],
            ["link", "set", innerLink, "netns", name], ["address", "add", "\(subnet).1/30", "dev", outerLink],
            ["link", "set", outerLink, "up"],
            ["-netns", name, "address", "add", "\(subnet).2/30", "dev", innerLink],
            ["-netns", name, "link", "set", innerLink, "up"], ["-netns", name, "link", "set", "lo", "up"],
        ]
        for step in steps {
            guard let problem = try await System.run([Self.program] + step) else { continue }
            await self.end()
            throw Failure(problem)
        }
    }

    func end() async {
        _ = try? await System.run([Self.program, "link", "delete", self.outerLink])
        _ = try? await System.run([Self.program, "netns", "delete", self.name])
    }

    func pullCable() async throws { try await self.setLink("down") }

    func plugCable() async throws { try await self.setLink("up") }

    private func setLink(_ state: String) async throws {
        let problem = try await System.run([Self.program, "link", "set", self.outerLink, state])
        if let problem { throw Failure(problem) }
    }
}
