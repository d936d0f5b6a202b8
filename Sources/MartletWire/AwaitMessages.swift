package import MartletCore

/// Asks how a job ends. Parked until it has, or until `timeout` has passed.
package struct AwaitJob: Message {
    package static let kind = FrameKind.awaitJob
    package var id: JobID
    /// At most ``timeoutMax``.
    package var timeout: Duration

    package static let timeoutMax: Duration = .seconds(60)

    package init(id: JobID, timeout: Duration) {
        self.id = id
        self.timeout = timeout
    }
}

/// The answer to ``AwaitJob``; a job that is not there, and did not end while it was awaited, is an ``ErrorReply`` with
/// `notFound`.
package struct JobEnded: Message {
    package static let kind = FrameKind.jobEnded
    package var id: JobID
    /// Not a terminal one if the time ran out first.
    package var state: JobState
    /// What the handler left, if it succeeded.
    package var result: Bytes?
    /// The last one, if there was any.
    package var failure: JobFailure?

    package init(id: JobID, state: JobState, result: Bytes? = nil, failure: JobFailure? = nil) {
        self.id = id
        self.state = state
        self.result = result
        self.failure = failure
    }
}

extension AwaitJob {
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.id)
            $0.write(self.timeout)
        }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.id = try reader.readJobID()
        self.timeout = try reader.readDuration()
        guard self.timeout >= .zero, self.timeout <= Self.timeoutMax else {
            throw FrameReader.outOfBounds("timeout", "must be 0 to \(Self.timeoutMax)")
        }
    }
}

extension JobEnded {
    package var frameBytesEstimate: Int { 512 + (self.result?.count ?? 0) }

    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.id)
            $0.write(self.state.rawValue)
            $0.write((self.result == nil ? 0 : 1) | (self.failure == nil ? 0 : 2) as UInt8)
            $0.write(self.result ?? .empty)
            $0.write(self.failure?.kind ?? "")
            $0.write(self.failure?.message ?? "")
        }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.id = try reader.readJobID()
        self.state = try reader.readCase("state")
        let presence: UInt8 = try reader.read()
        let result = try reader.readBytes()
        self.result = presence & 1 == 0 ? nil : result
        let failure = try reader.readFailure()
        self.failure = presence & 2 == 0 ? nil : failure
    }
}
