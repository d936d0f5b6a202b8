import MartletTransport
import MartletWire

extension IncomingRequest {
    /// Answers with a message.
    func answer(_ message: some Message) { self.reply(message.encoded()) }

    /// Answers that the request is not served, and why.
    func refuse(_ code: ErrorReply.Code, _ message: String) { self.answer(ErrorReply(code, message)) }
}

extension CommitLog.Answer {
    init(_ message: some Message, to request: any IncomingRequest) {
        self.init(request: request, frame: message.encoded())
    }
}
