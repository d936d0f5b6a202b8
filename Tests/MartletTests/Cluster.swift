import Martlet
import MartletCore
import MartletRuntime
import MartletSimulation
import MartletTransport
import Synchronization

/// A fake coordinator and clients and workers around it, in virtual time on the test's own thread.
final class Cluster {
    static let address = "tcp://127.0.0.1:7400"

    let world: SimulatedWorld
    let network = InMemoryNetwork()
    let coordinatorProcess: SimulatedProcess
    let clientProcess: SimulatedProcess
    let coordinator: FakeCoordinator

    init(seed: UInt64 = 1) {
        self.world = SimulatedWorld(seed: seed)
        // What a test leaves behind, a connection that closes itself for instance, may outlive the test's variables.
        _ = Unmanaged.passRetained(self.world)
        self.coordinatorProcess = self.world.makeProcess("coordinator")
        self.clientProcess = self.world.makeProcess("client")
        self.coordinator = FakeCoordinator(on: self.coordinatorProcess)
        let transport = self.network.transport(on: self.coordinatorProcess, host: HostID(rawValue: 1))
        let coordinator = self.coordinator
        self.coordinatorProcess.spawn {
            guard let listener = try? await transport.listen(at: Self.address, contexts: 1024) else { return }
            await coordinator.serve(listener)
        }
    }

    /// Lets `duration` pass, or less if `isOver` becomes true.
    func run(for duration: Duration, until isOver: () -> Bool = { false }) {
        self.world.run(until: self.world.now + duration, isOver: isOver)
    }

    /// Changes or asks the coordinator something.
    @discardableResult
    func ask<Value: Sendable>(_ body: @escaping @Sendable (isolated FakeCoordinator) -> Value) -> Value {
        let coordinator = self.coordinator
        let box = Box<Value>()
        self.coordinatorProcess.spawn { box.value = await coordinator.ask(body) }
        self.run(for: .zero, until: { box.value != nil })
        return box.value!
    }

    /// Starts `body` on the client's process.
    func start<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) -> Box<Result<Value, any Error>> {
        let box = Box<Result<Value, any Error>>()
        self.clientProcess.spawn {
            do { box.value = .success(try await body()) } catch { box.value = .failure(error) }
        }
        return box
    }

    /// Does `body` on the client's process and waits for it, a virtual minute at most.
    func wait<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) throws -> Value {
        let box = self.start(body)
        self.run(for: .seconds(60), until: { box.value != nil })
        guard let value = box.value else { throw NoAnswer() }
        return try value.get()
    }

    func client(_ configuration: ClientConfiguration = .standard) throws -> Client {
        let transport = self.network.transport(on: self.clientProcess, host: HostID(rawValue: 2))
        let process = self.clientProcess
        return try self.wait {
            try await Client.connect(to: Self.address, over: transport, on: process, configuration: configuration)
        }
    }

    func worker(_ configuration: WorkerConfiguration = .quiet(), host: UInt32 = 3) -> (Worker, SimulatedProcess) {
        let process = self.world.makeProcess("worker")
        let transport = self.network.transport(on: process, host: HostID(rawValue: host))
        let environment = Worker.Environment(loop: process, transport: transport, executor: process)
        return (Worker(configuration, in: environment), process)
    }

    /// Runs `worker` on its process.
    func start(_ worker: Worker, _ process: SimulatedProcess) -> Box<Result<Void, MartletError>> {
        let box = Box<Result<Void, MartletError>>()
        process.spawn {
            do throws(MartletError) {
                try await worker.run()
                box.value = .success(())
            } catch {
                box.value = .failure(error)
            }
        }
        return box
    }
}

struct NoAnswer: Error {}

extension FakeCoordinator {
    func ask<Value: Sendable>(_ body: @Sendable (isolated FakeCoordinator) -> Value) -> Value { body(self) }
}

extension WorkerConfiguration {
    /// Writes no log.
    static func quiet(
        name: String = "w1", slots: Int = 4, prefetchMax: Int = 1024, drainTimeout: Duration = .seconds(30)
    ) -> WorkerConfiguration {
        WorkerConfiguration(
            name: name, address: Cluster.address, slots: slots, prefetchMax: prefetchMax, drainTimeout: drainTimeout,
            logHandler: { _ in })
    }
}

/// A value that one task writes and the test reads.
final class Box<Value: Sendable>: Sendable {
    private let storage = Mutex<Value?>(nil)

    var value: Value? {
        get { self.storage.withLock { $0 } }
        set { self.storage.withLock { $0 = newValue } }
    }
}

/// A gate that handlers wait at. Not bound to a cancellation unless asked.
final class Gate: Sendable {
    private let state = Mutex<(isOpen: Bool, waiters: [UnsafeContinuation<Void, Never>])>((false, []))

    func open() {
        let waiters = self.state.withLock { state in
            state.isOpen = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Waits until the gate is open, whatever happens to the task.
    func wait() async {
        await withUnsafeContinuation { continuation in
            let isOpen = self.state.withLock { state in
                if !state.isOpen { state.waiters.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    /// Waits until the gate is open or the task is cancelled.
    func waitCancellably() async throws {
        await withTaskCancellationHandler {
            await self.wait()
        } onCancel: {
            self.open()
        }
        try Task.checkCancellation()
    }
}
