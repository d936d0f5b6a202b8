import Martlet

/// What the README shows.
func submitAsInTheReadme() async throws {
    struct WelcomeMail: Job {
        static let queue = "mail"
        let address: String

        func run(_ context: JobContext) async throws {
            try await sendMail(to: self.address, idempotencyKey: context.idempotencyKey)
        }
    }

    let client = try await Client.connect(to: "tcp://127.0.0.1:7400")
    let id = try await client.submit(WelcomeMail(address: "ada@example.com"))  // on disk when this returns
    print(id)
}

private func sendMail(to address: String, idempotencyKey: String) async throws {
    try await Mail.mailer?.send(idempotencyKey, to: address)
}

func workAsInTheReadme() async throws {
    let worker = Worker(
        WorkerConfiguration(name: "mail-1", address: "tcp://127.0.0.1:7401", queues: ["mail"], slots: 16))
    worker.register(WelcomeMail.self)
    try await worker.run()  // until SIGTERM: running jobs finish, waiting ones go back
}
