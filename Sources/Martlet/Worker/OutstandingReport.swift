import MartletCore
import MartletWire

/// A report that has not been answered.
struct OutstandingReport: Sendable {
    let number: UInt64
    /// The checkpoints first, then the results.
    let items: [Report.Item]
    /// What the first items are.
    let checkpoints: [PendingCheckpoint]
    let isLast: Bool
    /// The same at each try.
    let frame: Bytes
    /// When it was sent for the first time.
    let sentAt: Instant
}

/// A checkpoint that a handler waits for.
struct PendingCheckpoint: Sendable {
    let slot: Int
    /// Which of the slot's runs saves it: another may have the same job.
    let run: UInt64
    let id: JobID
    /// By which the attempt's desk knows it.
    let use: UInt64
    let value: Bytes
}
