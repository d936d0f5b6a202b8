import Martlet
import MartletCore
import MartletRuntime
import MartletSimulation
import MartletTransport
import MartletWire
import Testing

struct Greet: Job {
    static let type = "greet"
    static let queue = "mail"

    var name: String

    func run(_ context: JobContext) async throws {}
}

@Suite struct ClientTests {
    @Test func submitReturnsTheIDOfADurableJob() throws {
        let cluster = Cluster()
        let client = try cluster.client()
        let id = try cluster.wait { try await client.submit(Greet(name: "Ada"), delay: .seconds(60)) }
        let now = cluster.world.wallTime
        let accepted = cluster.ask { $0.accepted }
        #expect(accepted.map(\.id) == [id])
        #expect(accepted[0].template == JobTemplate(type: "greet", queue: "mail"))
        #expect(Payload(accepted[0].job.payload).text == #"{"name":"Ada"}"#)
        #expect(accepted[0].job.due == now + .seconds(60))
    }

    /// The promise: an answer that is lost costs nothing but time.
    @Test(arguments: [1, 2, 3])
    func aLostAnswerLeadsToTheSameFrameAgainAndToOneJob(losses: Int) throws {
        let cluster = Cluster()
        let client = try cluster.client()
        cluster.ask { $0.fates = Array(repeating: .loseAnswer, count: losses) }
        let id = try cluster.wait { try await client.submit(Greet(name: "Ada")) }
        let (frames, accepted) = cluster.ask { ($0.frames, $0.accepted) }
        #expect(frames.count == losses + 1)
        #expect(Set(frames).count == 1, "the same session, sequence and bytes at each try")
        #expect(accepted.map(\.id) == [id])
    }

    @Test func aCutConnectionLeadsToTheSameFrameAgain() throws {
        let cluster = Cluster()
        let client = try cluster.client()
        cluster.ask { $0.fates = [.loseAnswer] }
        let call = cluster.start { try await client.submit(Greet(name: "Ada")) }
        cluster.run(for: .milliseconds(100))
        cluster.network.cutConnections { _, _ in true }
        // Well before the try's own time-out of five seconds.
        cluster.run(for: .seconds(2), until: { call.value != nil })
        let (frames, accepted) = cluster.ask { ($0.frames, $0.accepted) }
        #expect(try call.value?.get() == accepted.first?.id)
        #expect(frames.count == 2 && frames[0] == frames[1] && accepted.count == 1)
    }

    @Test func submitsOfManyTasksTravelTogether() throws {
        let cluster = Cluster()
        let client = try cluster.client()
        let ids = try cluster.wait {
            try await withThrowingTaskGroup(of: (Int, JobID).self) { group in
                for number in 0..<1000 {
                    group.addTask {
                        (
                            number,
                            try await client.submit(raw: RawJob(type: "t\(number % 3)", payload: Payload("\(number)")))
                        )
                    }
                }
                return try await group.reduce(into: [JobID: Int]()) { $0[$1.1] = $1.0 }
            }
        }
        let (accepted, count) = cluster.ask { ($0.accepted, $0.submits.count) }
        #expect(accepted.count == 1000 && ids.count == 1000)
        #expect(count < 20, "\(count) frames")
        for job in accepted {
            let number = try #require(ids[job.id])
            #expect(job.template.type == "t\(number % 3)" && Payload(job.job.payload).text == "\(number)")
        }
    }

    @Test func moreJobsThanAFrameTakesAreSplitAndKeepTheirOrder() throws {
        let cluster = Cluster()
        let client = try cluster.client()
        let jobs = (0..<25_000).map { RawJob(type: "n", payload: Payload("\($0)")) }
        let ids = try cluster.wait { try await client.submit(raw: jobs) }
        let (accepted, submits) = cluster.ask { ($0.accepted, $0.submits) }
        #expect(submits.count >= 3 && submits.allSatisfy { $0.jobs.count <= Submit.jobsMax })
        let payloads = Dictionary(uniqueKeysWithValues: accepted.map { ($0.id, Payload($0.job.payload).text) })
        #expect(ids.count == jobs.count)
        #expect(zip(ids, jobs).allSatisfy { payloads[$0] == $1.payload.text })
    }

    @Test func largePayloadsAreSplitBelowTheFrameLimit() throws {
        let cluster = Cluster()
        let client = try cluster.client()
        let payload = Payload(copying: [UInt8](repeating: 7, count: 1 << 19))
        let ids = try cluster.wait {
            try await client.submit(raw: Array(repeating: RawJob(type: "n", payload: payload), count: 20))
        }
        #expect(ids.count == 20)
        #expect(cluster.ask { $0.frames }.allSatisfy { $0.count < 4 << 20 })
    }

    @Test func whatWasSentAndNeverAnsweredIsOfUnknownOutcome() throws {
        let cluster = Cluster()
        let client = try cluster.client(ClientConfiguration(timeout: .seconds(10), attemptTimeout: .seconds(2)))
        cluster.ask { $0.fates = Array(repeating: .loseAnswer, count: 100) }
        let error = #expect(throws: MartletError.self) {
            try cluster.wait { try await client.submit(Greet(name: "secret")) }
        }
        #expect(error?.code == .outcomeUnknown)
        #expect(error.map { !$0.message.contains("secret") } == true)
    }

    @Test func whatWasNeverSentIsNotOfUnknownOutcome() throws {
        let cluster = Cluster()
        let client = try cluster.client(ClientConfiguration(timeout: .seconds(10)))
        cluster.ask { $0.isSilent = true }
        let error = #expect(throws: MartletError.self) {
            try cluster.wait { try await client.submit(Greet(name: "Ada")) }
        }
        #expect(error?.code == .timedOut)
        #expect(cluster.ask { $0.submits }.isEmpty)
    }

    @Test func connectingToNobodySaysSo() throws {
        let cluster = Cluster()
        let transport = cluster.network.transport(on: cluster.clientProcess, host: HostID(rawValue: 9))
        let process = cluster.clientProcess
        let error = #expect(throws: MartletError.self) {
            _ = try cluster.wait {
                try await Client.connect(
                    to: "tcp://127.0.0.1:1", over: transport, on: process,
                    configuration: ClientConfiguration(timeout: .seconds(3), attemptTimeout: .seconds(1)))
            }
        }
        #expect(error?.code == .unreachable)
    }

    @Test func anExpiredSessionIsReplacedWhereNothingWasAccepted() throws {
        let cluster = Cluster()
        let client = try cluster.client()
        cluster.ask { $0.fates = [.refuse(.sessionExpired)] }
        _ = try cluster.wait { try await client.submit(Greet(name: "Ada")) }
        let (sessions, submits, accepted) = cluster.ask { ($0.sessions, $0.submits, $0.accepted) }
        #expect(sessions.count == 2 && Set(sessions).count == 2)
        #expect(submits.map(\.session) == sessions)
        #expect(accepted.count == 1)
    }

    @Test func anExpiredSessionIsNotReplacedUnderASubmitThatMayHaveBeenAccepted() throws {
        let cluster = Cluster()
        let client = try cluster.client()
        cluster.ask { $0.fates = [.loseAnswer, .refuse(.sessionExpired)] }
        let error = #expect(throws: MartletError.self) {
            try cluster.wait { try await client.submit(Greet(name: "Ada")) }
        }
        #expect(error?.code == .outcomeUnknown)
        #expect(cluster.ask { $0.accepted }.count == 1, "never a second job")
    }

    @Test func anOverloadedCoordinatorIsAskedAgain() throws {
        let cluster = Cluster()
        let client = try cluster.client()
        cluster.ask { $0.fates = [.refuse(.overloaded), .refuse(.unavailable), .refuse(.storeUnavailable)] }
        _ = try cluster.wait { try await client.submit(Greet(name: "Ada")) }
        #expect(cluster.ask { $0.submits }.count == 4)
        #expect(cluster.ask { $0.accepted }.count == 1)
    }

    @Test func aFullStoreIsToldAtOnce() throws {
        let cluster = Cluster()
        let client = try cluster.client()
        cluster.ask { $0.fates = [.refuse(.storeFull)] }
        let error = #expect(throws: MartletError.self) {
            try cluster.wait { try await client.submit(Greet(name: "Ada")) }
        }
        #expect(error?.code == .storeFull)
        #expect(cluster.ask { $0.submits }.count == 1)
    }

    @Test func aPayloadThatIsTooLongHurtsNobodyElse() throws {
        let cluster = Cluster()
        let client = try cluster.client()
        let long = Payload(copying: [UInt8](repeating: 1, count: (1 << 20) + 1))
        let calls = ["a", "b", "c"].map { type in
            cluster.start { try await client.submit(raw: RawJob(type: type, payload: type == "b" ? long : .empty)) }
        }
        cluster.run(for: .seconds(1))
        #expect(throws: Never.self) { try calls[0].value?.get() }
        #expect(throws: Never.self) { try calls[2].value?.get() }
        let error = #expect(throws: MartletError.self) { try calls[1].value?.get() }
        #expect(error?.code == .payloadTooLarge)
        #expect(cluster.ask { $0.accepted }.count == 2)
    }

    @Test func namesAreCheckedBeforeAnythingIsSent() throws {
        let cluster = Cluster()
        let client = try cluster.client()
        for job in [RawJob(type: "a b"), RawJob(type: ""), RawJob(type: "a", queue: "ü")] {
            let error = #expect(throws: MartletError.self) { try cluster.wait { try await client.submit(raw: job) } }
            #expect(error?.code == .invalidRequest)
        }
        #expect(cluster.ask { $0.submits }.isEmpty)
    }

    /// The coordinator forgets sequences that are far behind the newest: an unanswered one must not fall behind.
    @Test func anUnansweredFrameHoldsBackTheSequencesThatWouldOustIt() throws {
        let cluster = Cluster()
        cluster.ask {
            $0.submitsInFlightMax = 8
            $0.fates = [.loseAnswer]
        }
        let client = try cluster.client()
        let first = cluster.start { try await client.submit(Greet(name: "first")) }
        cluster.run(for: .seconds(1))
        let others = cluster.start {
            for number in 0..<50 { _ = try await client.submit(Greet(name: "\(number)")) }
        }
        cluster.run(for: .seconds(3))
        #expect(cluster.ask { $0.submits.map(\.sequence).max() } == 8)
        #expect(first.value == nil && others.value == nil)
        cluster.run(for: .seconds(10), until: { others.value != nil })
        #expect(throws: Never.self) { try first.value?.get() }
        #expect(throws: Never.self) { try others.value?.get() }
        #expect(cluster.ask { $0.accepted.count } == 51)
    }

    @Test func aRefusalMeetsWhoDeservesItAlone() throws {
        let cluster = Cluster()
        let client = try cluster.client(ClientConfiguration(framesInFlightMax: 1))
        // The first frame takes its time, so that the others share one, which is refused; then each is sent alone.
        cluster.ask { $0.fates = [.loseAnswer, .answer, .refuse(.invalidRequest), .answer, .refuse(.invalidRequest)] }
        let first = cluster.start { try await client.submit(Greet(name: "first")) }
        cluster.run(for: .seconds(1))
        let calls = ["a", "b", "c"].map { type in
            cluster.start { try await client.submit(raw: RawJob(type: type)) }
        }
        cluster.run(for: .seconds(20), until: { calls.allSatisfy { $0.value != nil } })
        #expect(throws: Never.self) { try first.value?.get() }
        let codes = calls.map { call -> MartletError.Code? in
            guard case .failure(let error as MartletError) = call.value else { return nil }
            return error.code
        }
        #expect(codes.count { $0 == nil } == 2 && codes.contains(.invalidRequest))
        #expect(cluster.ask { $0.accepted.count } == 3)
    }

    @Test func statusKnowsTheJobOrThatThereIsNone() throws {
        let cluster = Cluster()
        let client = try cluster.client()
        let id = try cluster.wait { try await client.submit(Greet(name: "Ada")) }
        #expect(try cluster.wait { try await client.status(of: id) }?.state == .ready)
        #expect(try cluster.wait { try await client.status(of: JobID(rawValue: 999)) } == nil)
    }

    @Test func aClosedClientRefuses() throws {
        let cluster = Cluster()
        let client = try cluster.client()
        try cluster.wait { await client.close() }
        let error = #expect(throws: MartletError.self) {
            try cluster.wait { try await client.submit(Greet(name: "Ada")) }
        }
        #expect(error?.code == .closed)
    }

    /// Submits, and is cancelled after `duration`.
    private func submit(
        _ name: String, through client: Client, on process: SimulatedProcess, cancelledAfter duration: Duration
    ) async -> Result<JobID, any Error> {
        await withTaskGroup(of: Result<JobID, any Error>.self) { group in
            group.addTask {
                do { return .success(try await client.submit(Greet(name: name))) } catch { return .failure(error) }
            }
            try? await process.sleep(for: duration)
            group.cancelAll()
            return await group.next()!
        }
    }

    @Test func aCancelledLeaderLeavesTheOthersServed() throws {
        let cluster = Cluster()
        let process = cluster.clientProcess
        let client = try cluster.client(ClientConfiguration(framesInFlightMax: 1))
        // The first frame is under way for five seconds, so that the next three calls share the second, whose answer
        // is lost too. The task that sends it is cancelled while it waits.
        cluster.ask { $0.fates = [.loseAnswer, .answer, .loseAnswer] }
        let first = cluster.start { try await client.submit(Greet(name: "first")) }
        cluster.run(for: .seconds(1))
        let leader = cluster.start {
            await self.submit("leader", through: client, on: process, cancelledAfter: .seconds(6))
        }
        cluster.run(for: .milliseconds(1))
        let others = ["b", "c"].map { name in cluster.start { try await client.submit(Greet(name: name)) } }
        cluster.run(for: .seconds(20), until: { leader.value != nil && others.allSatisfy { $0.value != nil } })
        let error = #expect(throws: MartletError.self) { try leader.value?.get().get() }
        #expect(error?.code == .outcomeUnknown)
        #expect(throws: Never.self) { try first.value?.get() }
        for other in others { #expect(throws: Never.self) { try other.value?.get() } }
        #expect(cluster.ask { $0.accepted }.count == 4, "the leader's job was accepted with the others', once")
        #expect(cluster.ask { Set($0.frames) }.count == 2)
    }

    @Test func aCallThatIsCancelledBeforeItsTurnSendsNothing() throws {
        let cluster = Cluster()
        let process = cluster.clientProcess
        let client = try cluster.client(ClientConfiguration(framesInFlightMax: 1))
        cluster.ask { $0.fates = [.loseAnswer] }
        let first = cluster.start { try await client.submit(Greet(name: "first")) }
        cluster.run(for: .seconds(1))
        let second = cluster.start {
            await self.submit("second", through: client, on: process, cancelledAfter: .seconds(1))
        }
        cluster.run(for: .seconds(20), until: { second.value != nil })
        let error = #expect(throws: MartletError.self) { try second.value?.get().get() }
        #expect(error?.code == .cancelled)
        #expect(throws: Never.self) { try first.value?.get() }
        #expect(cluster.ask { $0.accepted }.count == 1)
    }
}
