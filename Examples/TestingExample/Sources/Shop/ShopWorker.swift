import Martlet

/// Hands jobs their mailer.
struct MailerProvision: HandlerMiddleware {
    let mailer: any Mailer

    func handle(_ context: JobContext, next: Next) async throws {
        try await Mail.$mailer.withValue(self.mailer) { try await next() }
    }
}

/// Lets no job of this service run for long, nor what its handlers submit.
public struct ShortJobs: SubmitMiddleware, HandlerMiddleware {
    let limit: Duration

    public init(limit: Duration) {
        self.limit = limit
    }

    public func submit(_ request: SubmitRequest, next: SubmitRequest.Next) async throws -> [JobID] {
        var request = request
        request.updateOptions { $0.timeout = min($0.timeout ?? self.limit, self.limit) }
        return try await next(request)
    }

    public func handle(_ context: JobContext, next: Next) async throws { try await next() }

    public func followUp(_ kind: inout SubmitRequest.Kind, of context: JobContext) throws {
        kind.options.timeout = min(kind.options.timeout ?? self.limit, self.limit)
    }
}

/// What production and tests register alike.
public func configure(_ worker: Worker, mailer: any Mailer) {
    worker.use(JobLogging())
    worker.use(MailerProvision(mailer: mailer))
    worker.use { context, next in
        do {
            try await next()
        } catch is UnknownAddress {
            throw NonRetryable("the address does not exist")
        }
    }
    worker.register(WelcomeMail.self)
    worker.register(batchOf: IndexProduct.self, max: 100, within: .milliseconds(50)) { jobs in
        let rejected = try await SearchIndex.shared.add(jobs.map(\.value.name))
        return jobs.map { rejected.contains($0.value.name) ? $0.failed(Rejected()) : $0.succeeded }
    }
}
