import Shop

actor FakeMailer: Mailer {
    struct Down: Error {}

    private var failures: Int
    private(set) var sent: [String] = []

    init(failures: Int = 0) {
        self.failures = failures
    }

    func send(_ text: String, to address: String) async throws {
        guard address != "nobody@example.org" else { throw UnknownAddress() }
        self.failures -= 1
        guard self.failures < 0 else { throw Down() }
        self.sent.append(address)
    }
}
