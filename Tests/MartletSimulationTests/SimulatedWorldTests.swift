import MartletCore
import MartletRuntime
import MartletSimulation
import MartletTransport
import Synchronization
import Testing

/// Random delays, losses and cuts, drawn from the world's seed.
private final class SeededLink: LinkBehaviour, @unchecked Sendable {
    private let world: SimulatedWorld

    init(_ world: SimulatedWorld) {
        self.world = world
    }

    func fate(of message: LinkMessage) -> LinkFate {
        switch self.world.random.below(50) {
        case 0: .drop
        case 1: .cut
        case 2: .deliverTwice(after: .microseconds(100), and: .milliseconds(3))
        default: .deliver(after: .microseconds(self.world.random.below(2000)))
        }
    }
}

/// An actor that talks to a server and to itself for as long as it is let.
private actor Talker {
    private let loop: EventLoop
    private let connection: any RequestConnection
    private(set) var answers = 0

    nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }

    init(on loop: EventLoop, over connection: any RequestConnection) {
        self.loop = loop
        self.connection = connection
    }

    func talk() async {
        await withTaskGroup { group in
            for _ in 0..<3 {
                group.addTask {
                    while true {
                        let answer = try? await self.connection.request(.empty, timeout: .milliseconds(20))
                        if answer != nil { await self.count() }
                        let pause = Duration.microseconds(Int(self.loop.random() % 5000))
                        guard (try? await self.loop.sleep(for: pause)) != nil else { return }
                    }
                }
            }
        }
    }

    private func count() { self.answers += 1 }
}

/// Counts what happened.
private final class Log: Sendable {
    private let state = Mutex<[String: Int]>([:])

    func add(_ event: String) { self.state.withLock { $0[event, default: 0] += 1 } }
    var counts: [String: Int] { self.state.withLock { $0 } }
}

/// What happens in a world of one server and some talkers, in one second.
private struct Outcome: Hashable, Sendable {
    var trace: UInt64
    var steps: UInt64
    var answered: Int
    var served: Int
}

private func simulate(seed: UInt64, talkers: Int = 5) -> Outcome {
    let world = SimulatedWorld(seed: seed)
    let network = InMemoryNetwork(link: SeededLink(world))
    let address = "tcp://server:1"
    let server = world.makeProcess("server")
    let served = Mutex(0)
    server.spawn {
        let transport = network.transport(on: server)
        guard let listener = try? await transport.listen(at: address, contexts: 4) else { return }
        while true {
            let events = await listener.receive()
            if events.isEmpty { return }
            for case .request(let request) in events {
                served.withLock { $0 += 1 }
                // Answered out of order, as the seed of Swift's hashing must not decide.
                try? await server.sleep(for: .microseconds(Int(server.random() % 300)))
                request.reply(request.frame)
            }
        }
    }
    let answered = Mutex(0)
    for number in 0..<talkers {
        let process = world.makeProcess("talker \(number)")
        process.spawn {
            let transport = network.transport(on: process, host: HostID(rawValue: UInt32(number + 1)))
            guard let connection = try? transport.connect(to: address) else { return }
            let talker = Talker(on: process, over: connection)
            _ = try? await process.withTimeout(.seconds(1)) { await talker.talk() }
            let answers = await talker.answers
            answered.withLock { $0 += answers }
        }
    }
    world.run(until: world.now + .seconds(2))
    return Outcome(
        trace: world.traceHash, steps: world.steps, answered: answered.withLock { $0 }, served: served.withLock { $0 })
}

@Suite struct SimulatedWorldTests {
    @Test(arguments: 1...10 as ClosedRange<UInt64>)
    func equalSeedsGiveEqualTraces(seed: UInt64) {
        let first = simulate(seed: seed)
        #expect(first == simulate(seed: seed))
        #expect(first.steps > 1000 && first.answered > 100 && first.served >= first.answered)
    }

    @Test func differentSeedsGiveDifferentTraces() {
        let traces = Set((1...20 as ClosedRange<UInt64>).map { simulate(seed: $0).trace })
        #expect(traces.count == 20)
    }

    /// Swift seeds its hashing anew in each process, so this fails if the order of a Dictionary gets through.
    @Test func anotherProcessGivesTheSameTraces() async {
        let here = (1...5 as ClosedRange<UInt64>).map { simulate(seed: $0).trace }
        await #expect(processExitsWith: .success) { [here = here as [UInt64]] in
            let there = (1...5 as ClosedRange<UInt64>).map { simulate(seed: $0).trace }
            precondition(here == there, "the traces differ between two processes")
        }
    }

    @Test func virtualTimeCostsNoTime() async {
        let world = SimulatedWorld(seed: 1)
        let process = world.makeProcess("sleeper")
        let woken = Mutex<Instant?>(nil)
        let start = world.now
        process.spawn {
            try? await process.sleep(for: .seconds(86_400 * 365))
            woken.withLock { $0 = process.now }
        }
        world.run(until: start + .seconds(86_400 * 366))
        #expect(woken.withLock { $0 } == start + .seconds(86_400 * 365))
        #expect(world.now == start + .seconds(86_400 * 366))
    }

    @Test func timersFireInOrderAndCancelledOnesDoNot() {
        let world = SimulatedWorld(seed: 1)
        let process = world.makeProcess("timers")
        let fired = Mutex<[Int]>([])
        var timers: [TimerID] = []
        for number in [5, 3, 4, 1, 2] {
            timers.append(
                process.schedule(at: world.now + .seconds(number)) { fired.withLock { $0.append(number) } })
        }
        process.cancel(timers[2])
        world.run(until: world.now + .seconds(4))
        #expect(fired.withLock { $0 } == [1, 2, 3])
        process.cancel(timers[1])
        world.run(until: world.now + .seconds(4))
        #expect(fired.withLock { $0 } == [1, 2, 3, 5])
    }

    /// Jobs that are queued, timers that are pending and tasks that wait: none of it goes on, the neighbour does.
    @Test func aCrashEndsOneProcessAndNoOther() {
        let world = SimulatedWorld(seed: 7)
        let log = Log()
        let signal = Signal()
        let doomed = world.makeProcess("doomed")
        let neighbour = world.makeProcess("neighbour")
        for process in [doomed, neighbour] {
            process.spawn {
                while (try? await process.sleep(for: .milliseconds(10))) != nil { log.add("\(process.name) ticked") }
            }
        }
        doomed.spawn {
            await signal.wait()
            log.add("woken")
        }
        world.run(until: world.now + .milliseconds(105))
        doomed.spawn { log.add("queued") }
        doomed.crash()
        signal.notify()
        doomed.spawn { log.add("spawned late") }
        world.run(until: world.now + .seconds(1))
        #expect(log.counts == ["doomed ticked": 10, "neighbour ticked": 110])
        #expect(!doomed.isAlive && neighbour.isAlive)
    }

    @Test func aFrozenProcessCatchesUpOnceThawed() {
        let world = SimulatedWorld(seed: 7)
        let process = world.makeProcess("frozen")
        let late = Mutex<[Instant]>([])
        let start = world.now
        process.spawn {
            for number in 1...3 {
                try? await process.sleep(until: start + .seconds(number))
                late.withLock { $0.append(process.now) }
            }
        }
        world.run(until: start + .milliseconds(1500))
        process.freeze()
        process.spawn { late.withLock { $0.append(Instant(nanoseconds: 0)) } }
        world.run(until: start + .milliseconds(2500))
        #expect(late.withLock { $0.count } == 1)
        process.thaw()
        world.run(until: start + .seconds(4))
        let expected = [start + .seconds(1), Instant(nanoseconds: 0), start + .milliseconds(2500), start + .seconds(3)]
        #expect(late.withLock { $0.sorted() } == expected.sorted())
    }
}
