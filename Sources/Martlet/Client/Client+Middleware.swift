import MartletCore
import MartletWire

extension Client {
    /// Submits through the middleware. The jobs of one call, which may fill several frames, are one request.
    nonisolated func submitThroughMiddleware(_ entries: [SubmitEntry]) async throws(MartletError) -> [JobID] {
        let (request, templates) = self.request(of: entries)
        let jobCount = request.jobCount
        let submit = self.configuration.middleware.around { request in
            // A batch has an id before those of its jobs.
            try await self.send(entries, templates: templates, as: request).suffix(jobCount)
        }
        let ids: [JobID]
        do {
            ids = try await submit(request)
        } catch let error as MartletError {
            throw error
        } catch is CancellationError {
            throw MartletError(.cancelled, "the task was cancelled")
        } catch {
            throw MartletError(.refusedByMiddleware, "a submit middleware failed: \(error)")
        }
        guard ids.count == jobCount else {
            throw MartletError(
                .refusedByMiddleware, "a submit middleware returned \(ids.count) ids for \(jobCount) jobs")
        }
        return ids
    }

    /// What is to be submitted, and the template that each of its kinds was made of.
    private nonisolated func request(of entries: [SubmitEntry]) -> (SubmitRequest, [JobTemplate]) {
        var templates: [JobTemplate] = []
        var counts: [(jobs: Int, bytes: Int)] = []
        var places: [JobTemplate: Int] = [:]
        for entry in entries {
            let map = entry.templates.map { template in
                if let place = places[template] { return place }
                places[template] = templates.count
                templates.append(template)
                counts.append((0, 0))
                return templates.count - 1
            }
            for job in entry.jobs {
                counts[map[Int(job.template)]].jobs += 1
                counts[map[Int(job.template)]].bytes += job.payload.count
            }
        }
        let kinds = zip(templates, counts).map { template, count in
            SubmitRequest.Kind(
                type: template.type, queue: template.queue, options: template.options, jobCount: count.jobs,
                payloadBytes: count.bytes)
        }
        return (SubmitRequest(kinds: kinds, loop: self.loop), templates)
    }

    private nonisolated func send(
        _ entries: [SubmitEntry], templates: [JobTemplate], as request: SubmitRequest
    ) async throws -> [JobID] {
        guard request.kinds.count == templates.count else {
            throw MartletError(.refusedByMiddleware, "a submit middleware passed on another request than it got")
        }
        var changed: [JobTemplate: JobTemplate] = [:]
        for (template, kind) in zip(templates, request.kinds) {
            changed[template] = try Self.template(kind.type, queue: kind.queue, options: kind.options)
        }
        return try await self.send(
            entries.map { entry in
                var entry = entry
                entry.replaceTemplates { changed[$0] ?? $0 }
                return entry
            })
    }
}
