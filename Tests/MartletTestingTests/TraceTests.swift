import Martlet
import MartletTesting
import Synchronization
import Testing

@Suite struct TraceContextTests {
    private static let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    @Test func aHeaderIsReadAndWritten() throws {
        let context = try #require(TraceContext(traceparent: Self.header, state: "vendor=1"))
        #expect(context.traceID == "0af7651916cd43dd8448eb211c80319c" && context.spanID == "b7ad6b7169203331")
        #expect(context.isSampled && context.state == "vendor=1")
        #expect(context.traceparent == Self.header)
        let child = context.child { 255 }
        #expect(child.traceparent == "00-0af7651916cd43dd8448eb211c80319c-00000000000000ff-01")
        #expect(child.state == "vendor=1")
        let later = TraceContext(traceparent: "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00-more")
        #expect(later?.isSampled == false, "of a later version, what is known of it")
        #expect(TraceContext(traceparent: Self.header, state: String(repeating: "x", count: 513))?.state == nil)
    }

    @Test(arguments: [
        "", "00", "00-0-0-00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
    ])
    func whatIsNoHeaderIsNotRead(text: String) {
        #expect(TraceContext(traceparent: text) == nil)
    }

    @Test func aTraceThatBeginsIsValid() {
        for bits in [0, 1, UInt64.max] {
            let begun = TraceContext.begin { bits }
            #expect(TraceContext(traceparent: begun.traceparent) == begun)
        }
    }

    // MARK: From submit to handler

    private static func cluster(
        _ propagation: TracePropagation = TracePropagation(), seen: Box<[TraceContext?]>
    ) async throws -> TestCluster {
        seen.value = []
        return try await TestCluster(TestConfiguration(clientMiddleware: [propagation])) { worker in
            worker.use(propagation)
            worker.register(raw: "first") { _, context in
                seen.value?.append(TraceContext.current)
                try context.submit(raw: RawJob(type: "second"))
                if context.attempt == 1 { throw MailServerDown() }
            }
            worker.register(raw: "second") { _, _ in seen.value?.append(TraceContext.current) }
        }
    }

    private static let retry = JobOptions(
        retry: RetryPolicy(maxAttempts: 3, initialBackoff: .seconds(1), maxBackoff: .seconds(1), jitter: 0))

    @Test func everyAttemptAndFollowUpIsASpanOfTheSubmittersTrace() async throws {
        let seen = Box<[TraceContext?]>()
        let cluster = try await Self.cluster(seen: seen)
        let outer = TraceContext(traceparent: Self.header, state: "vendor=1")
        try await TraceContext.$current.withValue(outer) {
            _ = try await cluster.client.submit(raw: RawJob(type: "first", options: Self.retry))
        }
        let metadata = try #require(try await cluster.waiting().first?.options.metadata)
        let submitted = TraceContext(
            traceparent: metadata["traceparent"] ?? "", state: metadata["tracestate"])
        #expect(submitted?.traceID == outer?.traceID && submitted?.spanID != outer?.spanID)
        try await cluster.drain()
        try await cluster.advance(by: .seconds(1))
        try await cluster.drain()
        let spans = try #require(seen.value)
        #expect(spans.count == 3)
        #expect(spans.allSatisfy { $0?.traceID == outer?.traceID && $0?.state == "vendor=1" })
        #expect(Set((spans + [outer, submitted]).map { $0?.spanID }).count == 5, "each a span of its own")
    }

    @Test func outsideOfATraceNothingIsAdded() async throws {
        let seen = Box<[TraceContext?]>()
        let cluster = try await Self.cluster(seen: seen)
        try await cluster.client.submit(raw: RawJob(type: "second"))
        #expect(try await cluster.waiting().first?.options.metadata.isEmpty == true)
        try await cluster.drain()
        #expect(seen.value == [nil])
    }

    @Test func aTraceIsBegunWhereThatIsWanted() async throws {
        let seen = Box<[TraceContext?]>()
        let cluster = try await Self.cluster(TracePropagation(beginsTraces: true), seen: seen)
        try await cluster.client.submit(raw: RawJob(type: "second"))
        try await cluster.drain()
        #expect(seen.value?.first != .some(nil))
    }

    @Test func whatIsThereStaysAndWhatHasNoRoomGoesWithout() async throws {
        let cluster = try await Self.cluster(seen: Box())
        var own = JobOptions.standard
        own.metadata = ["traceparent": "mine"]
        var full = JobOptions.standard
        for number in 0..<16 { full.metadata["\(number)"] = "x" }
        let jobs = [own, full].map { RawJob(type: "second", options: $0) }
        try await TraceContext.$current.withValue(TraceContext(traceparent: Self.header)) {
            _ = try await cluster.client.submit(raw: jobs)
        }
        #expect(try await cluster.waiting().map(\.options.metadata) == [own.metadata, full.metadata])
    }

    @Test func aMiddlewareMayRefuseAFollowUp() async throws {
        struct Refusing: HandlerMiddleware {
            func handle(_ context: JobContext, next: Next) async throws { try await next() }
            func followUp(_ kind: inout SubmitRequest.Kind, of context: JobContext) throws {
                if kind.type == "forbidden" { throw MailServerDown() }
                kind.queue = "elsewhere"
            }
        }
        let cluster = try await TestCluster { worker in
            worker.use(Refusing())
            worker.register(raw: "first") { _, context in
                let error = #expect(throws: MartletError.self) { try context.submit(raw: RawJob(type: "forbidden")) }
                #expect(error?.code == .refusedByMiddleware)
                try context.submit(raw: RawJob(type: "allowed"))
            }
        }
        try await cluster.client.submit(raw: RawJob(type: "first"))
        try await cluster.drain()
        #expect(try await cluster.waiting().map(\.queue) == ["elsewhere"])
    }
}
