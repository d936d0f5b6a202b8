import Martlet
import MartletJSON

/// The jobs of a JSONL file, read in batches. Blocks.
final class JobFile {
    struct Batch: Sendable {
        var jobs: [RawJob] = []
        var bytes = 0
        /// Lines that the batch covers, empty ones included.
        var lastLine = 0
        /// Bytes of the file up to here.
        var progress = 0
    }

    /// Large enough that one sync a batch does not count, small enough that the progress bar moves.
    static let batchJobsMax = 2000
    static let batchBytesMax = 1 << 20

    let reader: LineReader
    private let path: String
    private let defaults: JobDefaults
    private let payloadMax: Int
    private let jobsMax: Int

    /// - Parameter skippedLines: lines at the start that are passed over unread.
    init(
        path: String, defaults: JobDefaults, payloadMax: Int, submitJobsMax: Int, skippedLines: Int
    ) throws(CommandError) {
        self.reader = try LineReader(path: path)
        self.path = path == "-" ? "standard input" : path
        self.defaults = defaults
        self.payloadMax = payloadMax
        self.jobsMax = min(submitJobsMax, Self.batchJobsMax)
        for _ in 0..<skippedLines {
            guard try self.reader.next() != nil else { break }
        }
    }

    /// The next jobs, or nil at the end.
    func nextBatch() throws(CommandError) -> Batch? {
        var batch = Batch()
        while batch.jobs.count < self.jobsMax, batch.bytes < Self.batchBytesMax, let line = try self.reader.next() {
            if let job = try self.job(from: line) {
                batch.jobs.append(job)
                batch.bytes += job.payload.count
            }
        }
        batch.lastLine = self.reader.lineNumber
        batch.progress = self.reader.progress
        return batch.jobs.isEmpty ? nil : batch
    }

    /// Reads to the end and forgets the jobs: the first bad line is found before anything is submitted.
    func check() throws(CommandError) {
        while let line = try self.reader.next() { _ = try self.job(from: line) }
    }

    private func job(from line: [UInt8]) throws(CommandError) -> RawJob? {
        do {
            return try JobLine.rawJob(from: line, defaults: self.defaults, payloadMax: self.payloadMax)
        } catch {
            throw CommandError(.badInput, "\(self.path):\(self.reader.lineNumber): \(error.cause)", fix: error.fix)
        }
    }
}
