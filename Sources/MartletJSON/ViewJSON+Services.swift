import MartletConfiguration
package import MartletCore
import MartletSchedule
package import MartletWire

extension ViewJSON {
    // MARK: Services

    package static func service(_ service: ServiceView) -> JSONOutput {
        .object([
            ("service", .string(service.name)), ("limits", Self.limits(service.limits)),
            ("configured", .boolean(service.isConfigured)), ("changed", .boolean(service.isChanged)),
            ("paused", .boolean(service.isPaused)), ("tokens", service.level.map { .count($0) } ?? .null),
            ("rateShare", .number(Double(service.rateShare) / 1000)), ("running", .count(service.held)),
            ("waiting", .count(service.waiting)), ("grantsTotal", .count(service.grants)),
            ("tokensTotal", .count(service.tokens)), ("waitsTotal", .count(service.waits)),
            ("rejectionsTotal", .count(service.rejections)),
            ("closedBy", .optional(service.closing.map { $0.name })),
            ("opensInSeconds", service.opensIn.map { .seconds($0) } ?? .null), ("changedAt", .time(service.changedAt)),
            ("changedBy", .optional(service.changedBy.isEmpty ? nil : service.changedBy)),
        ])
    }

    package static func limits(_ limits: ServiceLimits) -> JSONOutput {
        var members: [(String, JSONOutput)] = [("rates", .array(limits.rates.map(Self.rate)))]
        members.append(("concurrency", limits.concurrency.map { .count($0) } ?? .null))
        if let perKey = limits.perKey {
            let ofKey: [(String, JSONOutput)] = [
                ("rates", .array(perKey.rates.map(Self.rate))),
                ("concurrency", perKey.concurrency.map { .count($0) } ?? .null), ("keysMax", .count(perKey.keysMax)),
            ]
            members.append(("perKey", .object(ofKey)))
        }
        return .object(members)
    }

    private static func rate(_ rate: RateLimit) -> JSONOutput {
        .object([
            ("rate", .count(rate.tokens)), ("perSeconds", .seconds(rate.period)), ("burst", .count(rate.burst)),
        ])
    }

    package static func change(_ change: ServiceChange) -> JSONOutput {
        .object([
            ("service", .string(change.name)), ("at", .time(change.at)), ("by", .string(change.by)),
            ("what", .string(change.what)),
        ])
    }

    // MARK: Reasons

    package static func explanation(of id: JobID, _ explanation: JobExplanation) -> JSONOutput {
        .object([
            ("id", .id(id)), ("state", .string("\(explanation.state)")),
            ("reason", .string(explanation.reason.name)),
            ("subject", .optional(explanation.subject.isEmpty ? nil : explanation.subject)),
            ("text", .string(WaitSentence.text(explanation.reason, explanation.subject))),
            ("since", .time(explanation.since)), ("ahead", .count(explanation.ahead)),
            ("missingTokens", .count(explanation.missing)),
            ("startsInSeconds", explanation.startsIn.map { .seconds($0) } ?? .null),
        ])
    }

    package static func backlog(of queue: String, _ explanation: QueueExplanation) -> JSONOutput {
        .object([
            ("queue", .string(queue)), ("runnable", .count(explanation.runnable)),
            ("blocked", .count(explanation.blocked)), ("running", .count(explanation.running)),
            (
                "waiting",
                .array(
                    explanation.parts.map { part in
                        .object([
                            ("reason", .string(part.reason.name)),
                            ("subject", .optional(part.subject.isEmpty ? nil : part.subject)),
                            ("count", .count(part.count)),
                            ("startsInSeconds", part.startsIn.map { .seconds($0) } ?? .null),
                        ])
                    })
            ),
        ])
    }

    // MARK: Bulk operations

    package static func operation(_ operation: BulkView) -> JSONOutput {
        let selection = operation.selection
        return .object([
            ("id", .string(String(operation.id))), ("operation", .string(Self.word(operation.action))),
            ("finished", .boolean(operation.finishedAt != nil)), ("changed", .count(operation.changed)),
            ("missed", .count(operation.missed)), ("startedAt", .time(operation.startedAt)),
            ("finishedAt", .time(operation.finishedAt)), ("cursor", operation.cursor.map { .id($0) } ?? .null),
            ("through", operation.through.map { .id($0) } ?? .null),
            (
                "selection",
                .object([
                    ("state", .optional(selection.state.map { "\($0)" })), ("queue", .optional(selection.queue)),
                    ("type", .optional(selection.type)), ("tag", .optional(selection.tag)),
                    ("group", .optional(selection.group)), ("batch", .optional(selection.batch.map { "\($0)" })),
                    ("createdBefore", .time(selection.createdBefore)),
                ])
            ),
        ])
    }

    package static func word(_ action: ChangeJobs.Action) -> String {
        switch action {
        case .cancel: "cancel"
        case .retry: "retry"
        case .delete: "delete"
        case .purge: "purge"
        case .reschedule: "reschedule"
        case .prioritize: "prioritize"
        }
    }
}
