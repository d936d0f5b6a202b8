import Martlet
import MartletConfiguration
import MartletCore
import MartletRuntime
import MartletTransport
import MartletWire

/// One command's connection to the coordinator.
struct CoordinatorSession: Sendable {
    let client: AdminClient
    let connection: any RequestConnection
    let loop: EventLoop
    let loaded: LoadedConfiguration

    var wallTime: WallTime { self.loop.wallTime }

    static let waitRange: ClosedRange<Duration> = .milliseconds(10) ... .seconds(3600)

    /// Connects, runs `body`, and lets go of everything.
    ///
    /// - Throws: what `body` throws, or at once the reason why nobody is reached.
    static func use<Value: Sendable>(
        _ arguments: ParsedArguments, _ context: CommandContext,
        _ body: @Sendable (CoordinatorSession) async throws -> Value
    ) async throws -> Value {
        let loaded = try context.loadConfiguration()
        let address = try Self.address(arguments, context, loaded)
        let wait = try arguments.duration("wait", in: Self.waitRange) ?? .seconds(5)
        let token = try loaded.token()
        let loop = ThreadLoop(name: "martlet")
        defer { loop.shutdown() }
        let connection = try Self.connect(to: address, token: token, on: loop)
        let client = AdminClient(connection: connection, address: address, timeout: wait)
        let session = CoordinatorSession(client: client, connection: connection, loop: loop, loaded: loaded)
        do {
            try await session.checkIsThere()
            let value = try await body(session)
            await connection.close()
            return value
        } catch {
            await connection.close()
            throw error
        }
    }

    /// How long the first answer may take before somebody looks why there is none.
    private static let patience: Duration = .milliseconds(200)

    /// Finds out soon, and with the reason, if nobody is there. The transport would only tell that nobody answers,
    /// and a probe alone would cost a listener time at each command.
    private func checkIsThere() async throws(CommandError) {
        do {
            _ = try await AdminClient(
                connection: self.connection, address: self.client.address,
                timeout: min(Self.patience, self.client.timeout)
            ).ping()
        } catch {
            guard error.code == .unreachable else { throw error }
            if let problem = Reachability.probe(self.client.address, timeout: self.client.timeout).problem {
                throw CommandError(
                    .unreachable, "cannot reach the coordinator at \(self.client.address): \(problem)",
                    fix: "start it with \"martlet coordinator\", or name another with --address")
            }
        }
    }

    /// Whether anything that speaks Martlet's protocol answers at another address.
    func isAnswered(at address: EndpointAddress, token: [UInt8]?) async -> Bool {
        guard let connection = try? Self.connect(to: address, token: token, on: self.loop) else { return false }
        let reply = try? await connection.request(Ping().encoded(), timeout: self.client.timeout)
        await connection.close()
        return reply != nil
    }

    /// `--address`, else MARTLET_ADDRESS, else what cluster.json says.
    static func address(
        _ arguments: ParsedArguments, _ context: CommandContext, _ loaded: LoadedConfiguration
    ) throws(CommandError) -> EndpointAddress {
        if let address = try arguments.address("address") { return address }
        guard let text = context.environment["MARTLET_ADDRESS"], !text.isEmpty else {
            return loaded.configuration.connect.clients
        }
        guard let address = EndpointAddress(text) else {
            throw .usage(
                "MARTLET_ADDRESS: \"\(text)\" \(EndpointAddress.problem(text) ?? "is no address")",
                fix: "write it as tcp://HOST:PORT")
        }
        return address
    }

    static func connect(
        to address: EndpointAddress, token: [UInt8]?, on loop: EventLoop
    ) throws(CommandError) -> any RequestConnection {
        do {
            let connection = try NNGTransport(loop: loop).connect(to: address.description)
            guard let token else { return connection }
            return AuthenticatingConnection(connection, token: ClusterToken(token), loop: loop)
        } catch {
            throw AdminClient.failure(error, address: address, timeout: .zero)
        }
    }
}
