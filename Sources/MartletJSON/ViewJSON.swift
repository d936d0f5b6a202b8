import MartletConfiguration
package import MartletCore
import MartletSchedule
package import MartletWire

/// What people see of a cluster, as JSON: the same on the command line and over HTTP.
package enum ViewJSON {
    // MARK: Jobs

    /// One job in full.
    package static func job(_ detail: JobDetail) -> JSONOutput {
        guard case .object(var members) = Self.job(detail.job) else { return .null }
        members.append(("payload", Self.payload(detail.payload)))
        members.append(("result", detail.result.map { Self.payload($0) } ?? .null))
        let attempts = detail.attempts.map { attempt in
            JSONOutput.object([
                ("number", .count(attempt.number)), ("endedAt", .time(attempt.endedAt)),
                ("node", .string(attempt.node)),
                ("kind", .string(attempt.failure.kind)), ("message", .string(attempt.failure.message)),
                ("output", .string(String(decoding: attempt.output.array, as: UTF8.self))),
            ])
        }
        members.append(("attempts", .array(attempts)))
        return .object(members)
    }

    package static func job(_ job: JobView) -> JSONOutput {
        let options = job.template.options
        let members: [(String, JSONOutput)] = [
            ("id", .id(job.id)), ("state", .string("\(job.state)")), ("queue", .string(job.template.queue)),
            ("type", .string(job.template.type)), ("priority", .count(options.priority.rawValue)),
            ("failures", .count(job.failures)), ("nodeDeaths", .count(job.nodeDeaths)),
            ("createdAt", .time(job.createdAt)), ("due", .time(job.due)), ("finishedAt", .time(job.finishedAt)),
            ("node", .optional(job.node)),
            ("timeoutSeconds", options.timeout.map { .seconds($0) } ?? .null),
            ("maxAttempts", options.retry.map { .count($0.maxAttempts) } ?? .null),
            (
                "lastFailure",
                job.lastFailure.map { .object([("kind", .string($0.kind)), ("message", .string($0.message))]) } ?? .null
            ),
            ("payloadBytes", .count(job.payloadCount)),
        ]
        return .object(members + Self.rareMembers(job))
    }

    private static func rareMembers(_ job: JobView) -> [(String, JSONOutput)] {
        let options = job.template.options
        var members: [(String, JSONOutput)] = []
        if let progress = job.progress {
            members.append(("progress", .number(progress.fraction)))
            members.append(("progressMessage", .string(progress.message)))
        }
        if let expires = job.expires { members.append(("expiresAt", .time(expires))) }
        if job.waits > 0 { members.append(("waits", .count(job.waits))) }
        if let workflow = job.workflow { members.append(("workflow", .id(workflow))) }
        if let batch = options.batch { members.append(("batch", .string("\(batch)"))) }
        if let unique = options.unique { members.append(("unique", .string(unique.key))) }
        if let group = options.group { members.append(("group", .string(group))) }
        if let key = options.key { members.append(("key", .string(key))) }
        if options.isOrdered { members.append(("ordered", .boolean(true))) }
        if let services = options.services {
            members.append(("services", .array(services.map { .string("\($0)") })))
        }
        if !options.tags.isEmpty { members.append(("tags", .array(options.tags.map { .string($0) }))) }
        if !options.metadata.isEmpty {
            let metadata = options.metadata.sorted { $0.key < $1.key }.map { ($0.key, JSONOutput.string($0.value)) }
            members.append(("metadata", .object(metadata)))
        }
        return members
    }

    /// A JSON payload as it is, in one line; anything else as a string.
    package static func payload(_ payload: Bytes) -> JSONOutput {
        let text = String(decoding: payload.array, as: UTF8.self)
        guard (try? JSONReader.check(payload.array)) != nil else { return .string(text) }
        // Line ends can only stand between tokens there.
        return .raw(text.split(whereSeparator: \.isNewline).joined(separator: " "))
    }

    // MARK: Queues and nodes

    package static func queue(_ queue: QueueView, pauses: [PauseView] = []) -> JSONOutput {
        func since(_ target: SetPause.Target, _ name: String) -> WallTime? {
            pauses.first { $0.target == target && $0.name == name }?.since
        }
        return .object([
            ("queue", .string(queue.queue)), ("type", .string(queue.type)), ("ready", .count(queue.ready)),
            ("running", .count(queue.running)), ("scheduled", .count(queue.scheduled)), ("dead", .count(queue.dead)),
            ("submittedTotal", .count(queue.submittedTotal)), ("succeededTotal", .count(queue.succeededTotal)),
            ("retriedTotal", .count(queue.retriedTotal)), ("cancelledTotal", .count(queue.cancelledTotal)),
            ("expiredTotal", .count(queue.expiredTotal)), ("deletedTotal", .count(queue.deletedTotal)),
            ("nodes", .count(queue.nodeCount)),
            ("oldestReadySeconds", queue.oldestReadyAge.map { .seconds($0) } ?? .null),
            ("keptBytes", .count(queue.keptBytes)), ("queuePausedSince", .time(since(.queue, queue.queue))),
            ("typePausedSince", .time(since(.type, queue.type))),
        ])
    }

    package static func node(_ node: NodeView) -> JSONOutput {
        .object([
            ("name", .string(node.name)), ("incarnation", .string(String(node.incarnation, radix: 16))),
            ("status", .string("\(node.status)")), ("slots", .count(node.slots)), ("leased", .count(node.leased)),
            ("sinceHeardSeconds", .seconds(node.sinceHeard)), ("succeededTotal", .count(node.succeededTotal)),
            ("failedTotal", .count(node.failedTotal)), ("stuck", .count(node.stuck)),
            ("types", .array(node.types.map { .string($0) })),
            ("queues", .array(node.queues.map { .string($0) })),
            ("stealAsksTotal", .count(node.steals.asks)), ("stealAskedTotal", .count(node.steals.asked)),
            ("gaveBackTotal", .count(node.steals.gaveBack)), ("tookOverTotal", .count(node.steals.tookOver)),
        ])
    }
}
