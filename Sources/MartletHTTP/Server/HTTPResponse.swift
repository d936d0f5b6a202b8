/// An answer.
package struct HTTPResponse: Sendable {
    package enum Body: Sendable {
        case bytes([UInt8])
        /// Sent as it comes, until it ends.
        case stream(HTTPBodyStream)
    }

    package var status: Int
    package var headers: [(name: String, value: String)]
    package var body: Body
    /// Feeds a body that is a stream, once the answer is under way; ends when the peer is gone or it is cancelled.
    package var producer: (@Sendable () async -> Void)?

    package init(_ status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = .bytes(body)
    }

    package init(_ status: Int, _ contentType: String, _ text: String) {
        self.init(status, headers: [("Content-Type", contentType)], body: Array(text.utf8))
    }

    package init(_ status: Int, _ contentType: String, stream: HTTPBodyStream) {
        self.init(status, headers: [("Content-Type", contentType)])
        self.body = .stream(stream)
    }
}
