import Foundation
import Martlet
import Testing

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

extension IntegrationTests {
    /// What an idempotency key was answered is on disk, as the job is.
    @Test(.timeLimit(.minutes(2))) func aKeyIsAnsweredAsBeforeAfterACrash() async throws {
        try await RealCluster.run { cluster in
            let coordinator = try await cluster.startCoordinator()
            try await eventually("it is ready") { try await cluster.get("/readyz").status == 200 }
            let first = try await cluster.post("/v1/jobs", "{\"type\": \"work\"}", key: "order-17")
            #expect(first.status == 201 && !first.isReplayed)
            coordinator.kill()
            _ = try await coordinator.exit()
            _ = try await cluster.startCoordinator()
            try await eventually("it is ready again") { try await cluster.get("/readyz").status == 200 }
            let again = try await cluster.post("/v1/jobs", "{\"type\": \"work\"}", key: "order-17")
            #expect(again.status == 201 && again.body == first.body && again.isReplayed)
            let other = try await cluster.post("/v1/jobs", "{\"type\": \"work\"}", key: "order-18")
            #expect(other.status == 201 && other.body != first.body)
            #expect(try await cluster.totals().submitted == 2)
        }
    }

    /// Somebody watches, somebody asks: neither keeps a coordinator that is told to end.
    @Test(.timeLimit(.minutes(2))) func aCoordinatorThatIsAskedOverHTTPEndsWhenToldTo() async throws {
        try await RealCluster.run { cluster in
            let coordinator = try await cluster.startCoordinator()
            try await eventually("it is ready") { try await cluster.get("/readyz").status == 200 }
            async let watching: Void = {
                let (_, _) = try await URLSession.shared.data(from: URL(string: cluster.httpAddress + "/v1/events")!)
            }()
            try await eventually("somebody watches") {
                try await cluster.get("/metrics").body.contains("route=\"/v1/events\",status=\"200\"} 1")
            }
            coordinator.signal(SIGTERM)
            #expect(try await coordinator.exit() == 0)
            // Its stream ended in good order.
            try await watching
        }
    }
}

struct HTTPReply {
    let status: Int
    let body: String
    let isReplayed: Bool
}

extension RealCluster {
    func get(_ path: String) async throws -> HTTPReply {
        try await self.ask(URLRequest(url: URL(string: self.httpAddress + path)!))
    }

    func post(_ path: String, _ body: String, key: String) async throws -> HTTPReply {
        var request = URLRequest(url: URL(string: self.httpAddress + path)!)
        request.httpMethod = "POST"
        request.httpBody = Data(body.utf8)
        request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        request.setValue(key, forHTTPHeaderField: "Idempotency-Key")
        return try await self.ask(request)
    }

    private func ask(_ request: URLRequest) async throws -> HTTPReply {
        let (data, response) = try await URLSession.shared.data(for: request)
        let http = response as? HTTPURLResponse
        return HTTPReply(
            status: http?.statusCode ?? 0, body: String(decoding: data, as: UTF8.self),
            isReplayed: http?.value(forHTTPHeaderField: "Idempotent-Replayed") == "true")
    }
}
