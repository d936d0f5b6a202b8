import Martlet
import MartletTesting
import Testing

private struct Encode: Job {
    static let type = "video.encode"
    static let options = JobOptions(retry: RetryPolicy(maxAttempts: 1))

    var video: Int

    func run(_ context: JobContext) async throws -> [String: Int] {
        if self.video < 0 { throw NonRetryable("no such video") }
        return ["minutes": self.video]
    }
}

private struct Publish: Job {
    static let type = "video.publish"

    func run(_ context: JobContext) async throws {
        let minutes = try context.parents["video.encode"]?.result(as: [String: Int].self)?["minutes"] ?? 0
        guard minutes == 7, context.parents["thumbnails"]?.state == .succeeded else {
            throw NonRetryable("its parents left \(context.parents)")
        }
    }
}

private struct Note: Job {
    static let options = JobOptions(retry: RetryPolicy(maxAttempts: 1))

    var text: String
    var fails = false

    func run(_ context: JobContext) async throws { if self.fails { throw NonRetryable("as told") } }
}

@Suite struct WorkflowTests {
    private func cluster() async throws -> TestCluster {
        try await TestCluster {
            $0.register(Encode.self)
            $0.register(Publish.self)
            $0.register(Note.self)
        }
    }

    @Test func aChildRunsAfterItsParentsAndSeesWhatTheyLeft() async throws {
        let cluster = try await self.cluster()
        var workflow = Workflow("video 7")
        let encode = workflow.add(Encode(video: 7))
        let thumbnails = workflow.add(Note(text: "thumbnails"), name: "thumbnails", after: encode)
        let publish = workflow.add(Publish(), after: encode, thumbnails)
        let handle = try await cluster.client.submit(workflow)
        let before = try #require(try await handle.status())
        #expect(before.name == "video 7" && before.openCount == 3 && !before.isFinished)
        #expect(before.steps.map(\.job.state) == [.ready, .blocked, .blocked])
        #expect(before["thumbnails"]?.parents.map(\.id) == [handle.id(of: encode)])
        let runs = try await cluster.drain()
        #expect(runs.map(\.id) == [encode, thumbnails, publish].map { handle.id(of: $0) })
        #expect(runs.allSatisfy { $0.outcome == .succeeded }, "\(runs)")
        let after = try #require(try await cluster.client.workflow(handle.id).status())
        #expect(after.isFinished && after.openCount == 0 && after.failedCount == 0)
        #expect(after.steps.map(\.job.state) == [.succeeded, .succeeded, .succeeded])
        #expect(try await cluster.client.workflows().map(\.id) == [handle.id])
    }

    @Test func aFailureCancelsWhatWaitsAndLetsCompensationRun() async throws {
        let cluster = try await self.cluster()
        var workflow = Workflow("video -1")
        let encode = workflow.add(Encode(video: -1))
        let publish = workflow.add(Publish(), after: encode)
        workflow.add(Note(text: "tidy"), name: "tidy", after: .onEnd(publish))
        workflow.add(Note(text: "apologise"), name: "apologise", after: .onFailure(of: encode))
        let handle = try await cluster.client.submit(workflow)
        try await cluster.drain()
        let status = try #require(try await handle.status())
        #expect(status.steps.map(\.job.state) == [.dead, .cancelled, .succeeded, .succeeded])
        #expect(status["video.publish"]?.job.lastFailure?.message.hasPrefix("video.encode (job ") == true)
        #expect(status.failedCount == 2)
    }

    @Test func aChainRunsInOrder() async throws {
        let cluster = try await self.cluster()
        let chain = Workflow.chain("three", Note(text: "1"), Encode(video: 2), Note(text: "3"))
        let handle = try await cluster.client.submit(chain)
        #expect(try await cluster.drain().map(\.type) == ["Note", "video.encode", "Note"])
        #expect(try await handle.status()?.steps.map(\.name) == ["Note", "video.encode", "Note-2"])
    }

    @Test func aJobOfBytesRunsAtItsTime() async throws {
        let cluster = try await self.cluster()
        var workflow = Workflow("later")
        let later = cluster.now + .seconds(3600)
        workflow.add(raw: RawJob(type: "Note", payload: Payload(#"{"text": "1", "fails": false}"#), at: later))
        let handle = try await cluster.client.submit(workflow)
        #expect(try await handle.status()?.steps.map(\.job.state) == [.scheduled])
    }

    @Test func aWorkflowOfTooManyKindsIsRefusedHere() async throws {
        let cluster = try await self.cluster()
        var workflow = Workflow("many keys")
        for number in 0...1024 {
            var options = JobOptions.standard
            options.tags = ["t\(number)"]
            workflow.add(Note(text: "1"), options: options)
        }
        let error = await #expect(throws: MartletError.self) { try await cluster.client.submit(workflow) }
        #expect(error?.code == .invalidRequest && error?.message.contains("1024 different") == true, "\(error!)")
    }

    @Test func badGraphsAreRefusedAndLeaveNothing() async throws {
        let cluster = try await self.cluster()
        var cyclic = Workflow("cyclic")
        let first = cyclic.add(Note(text: "1"))
        let second = cyclic.add(Note(text: "2"), after: first)
        cyclic.order(first, after: second)
        var stray = Workflow("stray")
        stray.add(Note(text: "3"), after: second)
        var twins = Workflow("twins")
        twins.add(Note(text: "4"), name: "twin")
        twins.add(Note(text: "5"), name: "twin")
        for (workflow, word) in [
            (cyclic, "cycle"), (stray, "is no job"), (twins, "two jobs"), (Workflow("none"), "1 to"),
        ] {
            let error = await #expect(throws: MartletError.self) { try await cluster.client.submit(workflow) }
            #expect(error?.code == .invalidRequest && error?.message.contains(word) == true, "\(error!)")
        }
        #expect(try await cluster.waiting().isEmpty)
    }
}

private struct Later: SubmitMiddleware {
    func submit(_ request: SubmitRequest, next: SubmitRequest.Next) async throws -> [JobID] {
        var request = request
        request.update { $0.options.tags.append("later") }
        return try await next(request)
    }
}

@Suite struct CountedBatchTests {
    @Test func middlewareSeesTheCallbacks() async throws {
        let cluster = try await TestCluster(TestConfiguration(clientMiddleware: [Later()])) { $0.register(Note.self) }
        let batch = try await cluster.client.openBatch("tagged", onEnd: Note(text: "end"))
        try await batch.submit(Note(text: "1"))
        try await batch.close()
        #expect(try await cluster.drain().count == 2)
        #expect(try await batch.status()?.isFinished == true)
        let bare = try await cluster.client.openBatch("bare")
        #expect(try await bare.close().isFinished)
        let tagged = try await cluster.client.openBatch("waits", onEnd: Note(text: "end"))
        #expect(try await cluster.client.cancel(where: JobQuery(tag: "later")).count == 1)
        #expect(try await tagged.status()?.name == "waits")
    }

    private func cluster() async throws -> TestCluster { try await TestCluster { $0.register(Note.self) } }

    @Test func aBatchCallsWhenItHasEnded() async throws {
        let cluster = try await self.cluster()
        let batch = try await cluster.client.openBatch(
            "delete account 7", onEnd: Note(text: "end"), onSuccess: Note(text: "success"),
            onDeath: Note(text: "death"))
        let stream = AsyncStream<Note> { continuation in
            for number in 0..<2500 { continuation.yield(Note(text: "\(number)")) }
            continuation.finish()
        }
        #expect(try await batch.submit(stream: stream) == 2500)
        try await batch.submit(Note(text: "bad", fails: true))
        #expect(try await batch.status()?.pending == 2501)
        #expect(try await batch.close().isClosed)
        let runs = try await cluster.drain()
        #expect(runs.count == 2503)
        let status = try #require(try await batch.status())
        #expect(status.isFinished && status.succeeded == 2500 && status.dead == 1 && status.progress == 1)
        let callbacks = (1...3).map { JobID(rawValue: batch.id.rawValue + $0) }
        #expect(runs.suffix(2).map(\.id).sorted() == [callbacks[0], callbacks[2]])
        #expect(try await cluster.client.status(of: callbacks[1])?.state == .cancelled)
    }

    @Test func aClosedBatchTakesNothing() async throws {
        let cluster = try await self.cluster()
        let batch = try await cluster.client.openBatch("small")
        let inner = try await batch.openBatch("smaller")
        try await inner.submit([Note(text: "1")])
        try await inner.close()
        try await batch.close()
        for _ in 0..<2 {
            let error = await #expect(throws: MartletError.self) { try await batch.submit(Note(text: "late")) }
            #expect(error?.code == .batchClosed)
        }
        let unknown = cluster.client.batch(BatchID(rawValue: 1 << 40))
        let error = await #expect(throws: MartletError.self) { try await unknown.submit(Note(text: "nowhere")) }
        #expect(error?.code == .batchClosed)
        #expect(try await unknown.status() == nil)
        #expect(try await batch.status()?.isFinished == false)
        try await cluster.drain()
        #expect(try await batch.status()?.isFinished == true)
        #expect(try await cluster.client.batches().map(\.name) == ["smaller", "small"])
    }

    @Test func aCancelledBatchEnds() async throws {
        let cluster = try await self.cluster()
        let batch = try await cluster.client.openBatch("cancelled", onEnd: Note(text: "end"))
        try await batch.submit((0..<50).map { Note(text: "\($0)") })
        try await batch.close()
        try await batch.cancel()
        #expect(try await cluster.drain().count == 1)
        let status = try #require(try await batch.status())
        #expect(status.cancelled == 50 && status.isFinished)
    }
}
