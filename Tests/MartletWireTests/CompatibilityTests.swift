import MartletCore
import MartletWire
import Testing

/// What a reader of this version does with frames of a later one.
@Suite struct CompatibilityTests {
    @Test(arguments: Sample.all)
    func trailingFieldsOfAnyRecordAreSkipped(sample: Sample) throws {
        var parts = FrameParts(sample.frame)
        for index in parts.records.indices { parts.records[index] += [0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3] }
        #expect(try sample.decodes(parts.frame))
    }

    @Test(arguments: Sample.all)
    func recordsAfterTheKnownListsAreSkipped(sample: Sample) throws {
        var parts = FrameParts(sample.frame)
        parts.records += [[9, 9, 9], []]
        #expect(try sample.decodes(parts.frame))
    }

    @Test(arguments: Sample.all)
    func flagsThatAreNotKnownAreIgnored(sample: Sample) throws {
        var parts = FrameParts(sample.frame)
        parts.header[6] |= 0xFE
        parts.header[7] = 0xFF
        #expect(try sample.decodes(parts.frame))
    }

    @Test(arguments: [0, 2, 255] as [UInt8])
    func anotherVersionIsNamed(version: UInt8) {
        var parts = FrameParts(Ping().encoded())
        parts.header[4] = version
        let error = WireError(.unknownVersion, "protocol version \(version) is not known, 1 is")
        #expect(throws: error) { try Request.decode(parts.frame) }
        #expect(ErrorReply(error).code == .unknownVersion)
    }

    @Test(arguments: [0, 24, 69, 128, 254] as [UInt8])
    func anotherKindIsNamed(kind: UInt8) {
        var parts = FrameParts(Ping().encoded())
        parts.header[5] = kind
        let error = WireError(.unknownKind, "frame kind \(kind) is not known")
        #expect(throws: error) { try Request.decode(parts.frame) }
        #expect(ErrorReply(error).code == .unknownKind)
    }

    /// The version is looked at before the kind, whose numbers belong to it.
    @Test func theVersionCountsBeforeTheKind() {
        var parts = FrameParts(Ping().encoded())
        parts.header[4] = 2
        parts.header[5] = 250
        #expect(throws: WireError(.unknownVersion, "protocol version 2 is not known, 1 is")) {
            try Request.decode(parts.frame)
        }
    }

    @Test func anotherMagicIsNoFrame() {
        var parts = FrameParts(Ping().encoded())
        parts.header[0] ^= 1
        #expect(throws: WireError(.malformed, "the frame does not begin with MTLT")) {
            try Request.decode(parts.frame)
        }
    }

    @Test func anUnknownErrorCodeIsInternal() throws {
        var parts = FrameParts(ErrorReply(.notFound, "no such job").encoded())
        parts.records[0][0] = 0xF0
        parts.records[0][1] = 0xF0
        #expect(try ErrorReply.decode(parts.frame) == ErrorReply(.internal, "no such job"))
    }

    @Test func bytesAfterTheLastRecordAreRefused() {
        let frame = Bytes(copying: Ping().encoded().array + [0])
        #expect(throws: WireError(.malformed, "bytes follow the frame's last record")) { try Ping.decode(frame) }
    }

    @Test(arguments: Sample.all)
    func aFrameOfAnotherKindIsNotMisread(sample: Sample) {
        guard sample.kind != .ping else { return }
        #expect(throws: WireError(.unexpectedKind, "a frame of kind \(sample.kind), not ping")) {
            try Ping.decode(sample.frame)
        }
    }
}
