import MartletCore

@testable import MartletWire

extension Samples {
    static let selection = JobSelection(
        state: .dead, queue: "mail", type: "mail/welcome", tag: "eu", createdBefore: WallTime(microseconds: 1_699),
        batch: BatchID(rawValue: 12), workflow: JobID(shard: 1, sequence: 13), group: "tenant-7")
}

extension Sample {
    static let control = [
        Sample(
            "change-jobs",
            ChangeJobs(
                .reschedule(WallTime(microseconds: 1_700_000_060_000_000)), matching: Samples.selection, isDryRun: true,
                after: JobID(shard: 1, sequence: 6))),
        Sample("change-jobs-now", ChangeJobs(.reschedule(nil), ids: [JobID(shard: 1, sequence: 7)])),
        Sample("change-jobs-priority", ChangeJobs(.prioritize(.highest), matching: JobSelection(tag: "eu"))),
        Sample("change-jobs-cancel", ChangeJobs(.cancel, matching: JobSelection(group: "tenant-7"))),
        Sample(
            "jobs-changed",
            JobsChanged(count: 1500, bulk: 8, isFinished: false, next: JobID(shard: 1, sequence: 9))),
        Sample("jobs-changed-named", JobsChanged(count: 1, missing: [JobID(shard: 1, sequence: 7)])),
        Sample("list-bulk", ListBulk(id: 8)),
        Sample("list-bulk-all", ListBulk()),
        Sample(
            "bulk-list",
            BulkList(operations: [
                BulkView(
                    id: 8, action: .prioritize(.lowest), selection: Samples.selection,
                    startedAt: WallTime(microseconds: 1_700), finishedAt: WallTime(microseconds: 1_800), changed: 31,
                    missed: 2, cursor: JobID(shard: 1, sequence: 50), through: JobID(shard: 1, sequence: 60)),
                BulkView(
                    id: 9, action: .purge, selection: JobSelection(queue: "mail"),
                    startedAt: WallTime(microseconds: 1_900), finishedAt: nil, changed: 0, missed: 0, cursor: nil,
                    through: nil),
            ])),
        Sample("set-pause", SetPause(.type, name: "mail/welcome", isPaused: true)),
        Sample("pause-set", PauseSet(since: WallTime(microseconds: 1_700), isChanged: true)),
        Sample("pause-set-none", PauseSet(since: nil, isChanged: false)),
        Sample("list-pauses", ListPauses()),
        Sample(
            "pause-list",
            PauseList(pauses: [
                PauseView(.queue, name: "mail", since: WallTime(microseconds: 1_700)),
                PauseView(.type, name: "bill", since: WallTime(microseconds: 1_701)),
            ])),
    ]
}
