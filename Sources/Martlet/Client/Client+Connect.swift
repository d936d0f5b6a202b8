import MartletRuntime
import MartletTransport

extension Client {
    /// One thread serves all clients of a process.
    private static let sharedLoop = ThreadLoop(name: "martlet-client")

    /// Dials a coordinator and waits until it answers.
    ///
    /// - Parameters:
    ///   - address: the coordinator's `listen.clients`: `tcp://HOST:PORT` or `ipc:///PATH`.
    ///   - token: the cluster token; needed where the coordinator does not listen on loopback.
    /// - Throws: ``MartletError``: `.addressInvalid`, `.unreachable` after ``ClientConfiguration/timeout``,
    ///   `.authenticationFailed`, `.cancelled`.
    public static func connect(
        to address: String = "tcp://127.0.0.1:7400", token: String? = nil,
        configuration: ClientConfiguration = .standard
    ) async throws(MartletError) -> Client {
        let loop = Self.sharedLoop
        let transport = NNGTransport(loop: loop)
        return try await Self.connect(
            to: address, token: token, over: transport, on: loop, configuration: configuration)
    }
}
