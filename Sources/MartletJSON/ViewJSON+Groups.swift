import MartletCore
import MartletSchedule
package import MartletWire

extension ViewJSON {
    // MARK: Workflows and batches

    package static func workflow(_ workflow: WorkflowView) -> JSONOutput { .object(Self.members(of: workflow)) }

    package static func workflow(_ detail: WorkflowDetail) -> JSONOutput {
        .object(
            Self.members(of: detail.workflow) + [
                (
                    "steps",
                    .array(
                        detail.members.map { member in
                            .object([
                                ("name", .string(member.name)),
                                (
                                    "parents",
                                    .array(
                                        member.parents.map {
                                            .object([("id", .id($0.id)), ("kind", .string("\($0.kind)"))])
                                        })
                                ), ("job", Self.job(member.job)),
                            ])
                        })
                )
            ])
    }

    private static func members(of workflow: WorkflowView) -> [(String, JSONOutput)] {
        [
            ("id", .id(workflow.id)), ("name", .string(workflow.name)), ("createdAt", .time(workflow.createdAt)),
            ("finishedAt", .time(workflow.finishedAt)), ("total", .count(workflow.total)),
            ("open", .count(workflow.open)), ("failed", .count(workflow.failed)),
        ]
    }

    package static func batch(_ batch: BatchView) -> JSONOutput {
        .object([
            ("id", .string("\(batch.id)")), ("name", .string(batch.name)),
            ("parent", .optional(batch.parent.map { "\($0)" })), ("createdAt", .time(batch.createdAt)),
            ("finishedAt", .time(batch.finishedAt)), ("closed", .boolean(batch.isClosed)),
            ("total", .count(batch.total)), ("pending", .count(batch.pending)),
            ("succeeded", .count(batch.succeeded)), ("dead", .count(batch.dead)),
            ("cancelled", .count(batch.cancelled)), ("expired", .count(batch.expired)),
        ])
    }

    // MARK: Schedules

    package static func schedule(_ view: ScheduleView, isChanged: Bool? = nil) -> JSONOutput {
        .object(Self.members(view) + (isChanged.map { [("changed", .boolean($0))] } ?? []))
    }

    private static func members(_ view: ScheduleView) -> [(String, JSONOutput)] {
        [
            ("name", .string(view.name)), ("recurrence", .string(view.recurrence)), ("zone", .string(view.zone)),
            ("type", .string(view.type)), ("queue", .string(view.queue)),
            ("origin", .string(view.origin == .file ? "file" : "client")), ("paused", .boolean(view.isPaused)),
            ("problem", view.problem.isEmpty ? .null : .string(view.problem)),
            ("handledThrough", .string(view.handledThrough.rfc3339)), ("next", Self.instant(view.next)),
            ("queued", Self.instant(view.queued)), ("lastJob", view.lastJob.map { .id($0) } ?? .null),
            ("firedTotal", .count(view.firedTotal)), ("skippedTotal", .count(view.skippedTotal)),
            ("missedTotal", .count(view.missedTotal)),
        ]
    }

    package static func schedule(_ detail: ScheduleDetail) -> JSONOutput {
        let (definition, rules) = (detail.definition, detail.definition.rules)
        return .object(
            Self.members(detail.view) + [
                ("daylightSaving", .string(definition.daylightSaving.rawValue)),
                ("missed", .string(rules.missed.text)), ("lateMaxSeconds", .seconds(rules.lateMax)),
                ("overlap", .string(rules.overlap.text)), ("jitterSeconds", .seconds(rules.jitter)),
                ("start", Self.instant(rules.start)), ("end", Self.instant(rules.end)),
                ("payload", Self.payload(definition.payload)),
                ("instants", .array(detail.next.map { .string($0.rfc3339) })),
                (
                    "runs",
                    .array(
                        detail.runs.map {
                            .object([("instant", .string($0.instant.rfc3339)), ("job", .id($0.job))])
                        })
                ),
            ])
    }

    private static func instant(_ time: WallTime?) -> JSONOutput { time.map { .string($0.rfc3339) } ?? .null }
}
