import MartletCore
import MartletRuntime
import MartletStore
import Synchronization

/// Live changes, as server-sent events.
extension Route {
    static let events: [Route] = [
        Route(
            "GET", "/v1/events", .read,
            Operation(
                "watch", "Cluster", "The cluster as it changes, as server-sent events",
                details:
                    "An event `overview` at once and then each second in which something has changed; a comment each "
                    + "15 seconds, so that both sides see when the other is gone.",
                [.init(status: 200, description: "A stream of events.", contentType: "text/event-stream")])
        ) { call in
            let parts = try call.parts()
            guard call.server.streams.begin() else {
                throw Problem(
                    503, "overloaded", "The coordinator is busy", "\(StreamCount.streamsMax) watch; retry after a delay"
                ).retrying(after: 5)
            }
            let stream = HTTPBodyStream()
            var response = HTTPResponse(200, "text/event-stream", stream: stream)
            response.headers.append(("Cache-Control", "no-store"))
            response.producer = {
                defer {
                    call.server.streams.end()
                    stream.end()
                }
                var last = ""
                var quietSince = call.loop.now
                while true {
                    let text = (try? await call.server.overview.sample(parts, at: call.loop.now)) ?? last
                    let now = call.loop.now
                    var isOpen = !stream.isGone
                    if text != last {
                        isOpen = stream.send("event: overview\ndata: \(text)\n\n".utf8)
                        quietSince = now
                    } else if now - quietSince >= .seconds(15) {
                        isOpen = stream.send(": still here\n\n".utf8)
                        quietSince = now
                    }
                    last = text
                    guard isOpen, (try? await call.loop.sleep(for: .seconds(1))) != nil else { return }
                }
            }
            return response
        }
    ]
}

/// How many watch at once.
final class StreamCount: Sendable {
    static let streamsMax = 64

    private let count = Mutex(0)

    /// False if there are too many.
    func begin() -> Bool {
        self.count.withLock { count in
            guard count < Self.streamsMax else { return false }
            count += 1
            return true
        }
    }

    func end() { self.count.withLock { $0 -= 1 } }
}
