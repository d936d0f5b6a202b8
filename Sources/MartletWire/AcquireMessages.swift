import MartletCore

/// Asks for tokens of services, for calls that handlers make while they run. Parked until there are some for one of the
/// wants, or until the next one of the node supersedes it.
package struct Acquire: Message {
    package static let kind = FrameKind.acquire

    /// What the calls that wait for one service and key want together.
    package struct Want: Hashable, Sendable {
        package var service: String
        package var key: String?
        /// What the first of them needs: fewer would serve none.
        package var least: UInt32
        package var most: UInt32

        package init(service: String, key: String?, least: UInt32, most: UInt32) {
            self.service = service
            self.key = key
            self.least = least
            self.most = most
        }
    }

    package var key: UInt64
    /// 1, 2, 3 ... under each key.
    package var number: UInt64
    /// At most ``wantsMax``.
    package var wants: RecordList<Want>

    package static let wantsMax = 64

    package init(key: UInt64, number: UInt64, wants: [Want]) {
        self.key = key
        self.number = number
        self.wants = RecordList(wants)
    }
}

/// Tokens that are spent from now on, whether or not this arrives and they are used.
package struct Acquired: Message {
    package static let kind = FrameKind.acquired

    package struct Chunk: Hashable, Sendable {
        /// Of the want, in the order in which they were asked for.
        package var place: UInt32
        /// None if there is a problem.
        package var tokens: UInt32
        /// Why the want will never be served; empty if it will.
        package var problem: String

        package init(place: UInt32, tokens: UInt32, problem: String = "") {
            self.place = place
            self.tokens = tokens
            self.problem = problem
        }
    }

    package var number: UInt64
    /// How long the request was parked, on the coordinator's clock: the tokens were granted no earlier than so long
    /// after the node sent it.
    package var heldFor: Duration
    /// How long after the grant they may be used.
    package var validFor: Duration
    /// Empty: the request was superseded.
    package var chunks: [Chunk]

    package init(number: UInt64, heldFor: Duration, validFor: Duration, chunks: [Chunk]) {
        self.number = number
        self.heldFor = heldFor
        self.validFor = validFor
        self.chunks = chunks
    }
}

extension Acquire {
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.key)
            $0.write(self.number)
            $0.write(UInt32(self.wants.count))
        }
        writer.records(self.wants)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.key = try reader.read()
        self.number = try reader.read()
        guard self.number > 0 else { throw FrameReader.outOfBounds("number", "must not be 0") }
        self.wants = try reader.list(try reader.read(), "wants", max: Self.wantsMax)
    }
}

extension Acquire.Want: CheckedRecord {
    package static let bytesMin = 2 + 1 + 2 + 4 + 4

    package func writeFields(to writer: inout FrameWriter) {
        writer.write(self.service)
        writer.write(self.key == nil ? 0 : 1 as UInt8)
        writer.write(self.key ?? "")
        writer.write(self.least)
        writer.write(self.most)
    }

    package init(record reader: inout FrameReader) throws(WireError) {
        self.service = try reader.readName("wants.service")
        let hasKey = try reader.read(UInt8.self) & 1 != 0
        let key = try reader.readText("wants.key")
        guard !hasKey || (1...JobOptions.keyBytesMax).contains(key.utf8.count) else {
            throw FrameReader.outOfBounds("wants.key", "must be 1 to \(JobOptions.keyBytesMax) bytes")
        }
        self.key = hasKey ? key : nil
        self.least = try reader.read()
        self.most = try reader.read()
        guard self.least > 0, self.least <= self.most else {
            throw FrameReader.outOfBounds("wants.least", "must be 1 up to the most")
        }
    }
}

extension Acquired {
    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.number)
            $0.write(self.heldFor)
            $0.write(self.validFor)
            $0.write(UInt32(self.chunks.count))
        }
        writer.records(self.chunks)
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.number = try reader.read()
        self.heldFor = max(.zero, try reader.readDuration())
        self.validFor = max(.zero, try reader.readDuration())
        self.chunks = try reader.records(try reader.read(), "chunks")
    }
}

extension Acquired.Chunk: FrameRecord {
    static let bytesMin = 4 + 4 + 2

    func writeFields(to writer: inout FrameWriter) {
        writer.write(self.place)
        writer.write(self.tokens)
        writer.write(self.problem)
    }

    init(record reader: inout FrameReader) throws(WireError) {
        self.place = try reader.read()
        self.tokens = try reader.read()
        self.problem = try reader.readText("chunks.problem", bytesMax: JobFailure.messageBytesMax)
    }
}
