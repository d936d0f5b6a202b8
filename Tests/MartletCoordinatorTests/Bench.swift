import MartletCoordinator
import MartletCore
import MartletObservability
import MartletRuntime
import MartletSimulation
import MartletStore
import MartletTransport
import MartletWire
import Synchronization
import Testing

/// A real coordinator on an in-memory disk, asked by hand-written requests, in virtual time on the test's thread.
final class Bench: @unchecked Sendable {
    static let clients = "tcp://127.0.0.1:7400"
    static let nodes = "tcp://127.0.0.1:7401"

    let world: SimulatedWorld
    let network = InMemoryNetwork()
    let disk = InMemoryStore.Disk()
    let outside: SimulatedProcess
    /// What the store does with commits and reads; survives restarts.
    let faults = StoreFaults()
    private(set) var coordinator: SimulatedProcess!
    private(set) var parts: Coordinator.Parts!
    /// How `run()` of the coordinator ended.
    private(set) var ending: Result<Void, any Error>?
    private var running: Task<Void, Never>?
    private var transport: InMemoryTransport?
    private var lastHost: UInt32 = 10
    private var lastRegistration: UInt64 = 0

    private init(seed: UInt64) {
        self.world = SimulatedWorld(seed: seed)
        self.outside = self.world.makeProcess("outside")
    }

    /// Runs `body` beside a coordinator; the test fails if it does not end within two virtual hours.
    static func run(
        _ settings: CoordinatorSettings = .standard, seed: UInt64 = 1,
        _ body: @escaping @Sendable (Bench) async throws -> Void
    ) throws {
        let bench = Bench(seed: seed)
        let result = Mutex<Result<Void, any Error>?>(nil)
        bench.outside.spawn {
            do {
                try await bench.start(settings)
                try await body(bench)
                result.withLock { $0 = .success(()) }
            } catch {
                result.withLock { $0 = .failure(error) }
            }
        }
        bench.world.run(until: bench.world.now + .seconds(7200)) { result.withLock { $0 != nil } }
        guard let result = result.withLock({ $0 }) else { throw Stuck() }
        try result.get()
    }

    struct Stuck: Error {}

    // MARK: The coordinator's life

    func start(_ settings: CoordinatorSettings = .standard) async throws {
        let process = self.world.makeProcess("coordinator")
        let transport = self.network.transport(on: process, host: HostID(rawValue: 1))
        let store = ScriptedStore(disk: self.disk, faults: self.faults, loop: process)
        let coordinator = Coordinator(
            settings: settings, transport: transport, store: store, loop: process, log: .none)
        let started = Mutex<Coordinator.Parts?>(nil)
        self.coordinator = process
        self.transport = transport
        self.ending = nil
        self.running = Task(executorPreference: process) {
            do {
                try await coordinator.run { parts in started.withLock { $0 = parts } }
                self.ending = .success(())
            } catch {
                self.ending = .failure(error)
            }
        }
        try await self.until { started.withLock { $0 != nil } || self.ending != nil }
        self.parts = started.withLock { $0 }
        if case .failure(let error)? = self.ending { throw error }
    }

    /// `kill -9`.
    func crash() {
        self.coordinator.crash()
        self.transport?.vanish()
        self.disk.releaseLock()
    }

    /// Stops the coordinator in good order.
    func stop() async throws {
        self.running?.cancel()
        try await self.until { self.ending != nil }
    }

    /// Waits, a virtual minute at most, until `condition` holds.
    func until(_ condition: () -> Bool) async throws {
        for _ in 0..<60_000 {
            if condition() { return }
            try await self.outside.sleep(for: .milliseconds(1))
        }
        throw Stuck()
    }

    func sleep(_ duration: Duration) async throws { try await self.outside.sleep(for: duration) }

    func checkInvariants() async {
        await self.parts.dispatcher.checkInvariants()
        await self.parts.registry.checkInvariants()
    }

    // MARK: What is outside

    func connect(to address: String = Bench.clients) throws -> any RequestConnection {
        self.lastHost += 1
        return try self.network.transport(on: self.outside, host: HostID(rawValue: self.lastHost))
            .connect(to: address)
    }

    func client() async throws -> TestClient {
        let client = TestClient(
            connection: try self.connect(), session: SessionID(high: 7, low: self.world.random.next()))
        let _: SessionOpened = try await client.ask(OpenSession(session: client.session))
        return client
    }

    func node(
        _ name: String, incarnation: UInt64 = 1, slots: UInt32 = 4, queues: [String] = [], types: [String] = ["Send"],
        holdsLock: Bool = false, held: [Register.Item] = [], lastDelivery: UInt64 = 0,
        givesBack: Bool = false
    ) async throws -> TestNode {
        self.lastRegistration += 1
        let register = Register(
            name: name, incarnation: incarnation, slots: slots, prefetchMax: 0, queues: queues, types: types,
            holdsNameLock: holdsLock, givesBack: givesBack, lastDelivery: lastDelivery,
            number: self.lastRegistration, inventory: held)
        let connection = try self.connect(to: Self.nodes)
        let registered: Registered = try await connection.ask(register)
        return TestNode(connection: connection, registration: register, registered: registered, loop: self.outside)
    }

    /// What the store holds, other than through the coordinator.
    func state(of id: JobID) -> JobState? { self.disk.contents.job(id)?.record.state }
}

extension CoordinatorSettings {
    static let standard = CoordinatorSettings(clientAddress: Bench.clients, nodeAddress: Bench.nodes)
}

extension RequestConnection {
    /// - Throws: ``ErrorReply`` if the coordinator refuses.
    func ask<Answer: Message>(_ message: some Message, timeout: Duration = .seconds(600)) async throws -> Answer {
        switch try Reply<Answer>.decode(try await self.request(message.encoded(), timeout: timeout)) {
        case .message(let answer): return answer
        case .refused(let error): throw error
        }
    }
}

/// The code with which the coordinator refuses what `body` asks.
func refusal(_ body: () async throws -> some Any) async throws -> ErrorReply.Code? {
    do {
        _ = try await body()
        return nil
    } catch let error as ErrorReply {
        return error.code
    }
}
