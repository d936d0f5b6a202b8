import Foundation
import Martlet

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// Sends the mail that greets a new user.
struct WelcomeMail: Job {
    static let type = "mail.welcome"
    static let queue = "mail"

    let address: String
    let name: String

    func run(_ context: JobContext) async throws {
        var request = URLRequest(url: MailAPI.url, timeoutInterval: 5)
        request.httpMethod = "POST"
        request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        // The same for every attempt of this job, so that a second delivery is recognised.
        request.setValue("job-\(context.id)", forHTTPHeaderField: "Idempotency-Key")
        request.httpBody = try JSONEncoder().encode(["address": self.address, "subject": "Welcome, \(self.name)!"])
        let (_, response) = try await URLSession.shared.data(for: request)
        switch (response as? HTTPURLResponse)?.statusCode ?? 0 {
        case 200..<300: return
        case 422: throw NonRetryable("the mail API does not take this address")
        case let status: throw MailFailure(status: status)
        }
    }
}

struct MailFailure: Error, CustomStringConvertible {
    let status: Int
    var description: String { "the mail API answered \(self.status)" }
}

enum MailAPI {
    static let url = URL(
        string: "\(ProcessInfo.processInfo.environment["MAIL_API"] ?? "http://127.0.0.1:8025")/messages")!
}

@main
struct SignUpWorker {
    static func main() async throws {
        let environment = ProcessInfo.processInfo.environment
        let worker = Worker(
            WorkerConfiguration(
                name: environment["MARTLET_NODE"] ?? "sign-up",
                address: environment["MARTLET_NODES_ADDRESS"] ?? "tcp://127.0.0.1:7401",
                queues: ["mail"],
                slots: 16,
                stateDirectory: environment["MARTLET_STATE"]))
        worker.register(WelcomeMail.self)
        // Until SIGTERM: then running mails finish, waiting ones go back, and the exit code is 0.
        try await worker.run()
    }
}
