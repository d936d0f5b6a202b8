import MartletCore
import MartletWire
import Testing

@Suite struct RoundTripTests {
    @Test(arguments: Sample.all)
    func aDecodedFrameIsTheMessageThatWasEncoded(sample: Sample) throws {
        #expect(try sample.decodes(sample.frame))
    }

    @Test func everyKindHasASample() {
        #expect(Set(Sample.all.map(\.kind)) == Set(FrameKind.allCases))
    }

    @Test(arguments: Sample.all)
    func theCoordinatorReadsRequestsAndOnlyRequests(sample: Sample) throws {
        if sample.isRequest {
            let isForNodes = try Request.decode(sample.frame).isForNodes
            #expect(isForNodes == (64..<128).contains(sample.kind.rawValue))
        } else {
            #expect(throws: WireError(.unexpectedKind, "a reply of kind \(sample.kind), not a request")) {
                try Request.decode(sample.frame)
            }
        }
    }

    @Test func aReplyIsTheMessageOrARefusal() throws {
        let submitted = Submitted(first: JobID(rawValue: 5), count: 2, isRepeat: false)
        guard case .message(submitted) = try Reply<Submitted>.decode(submitted.encoded()) else {
            Issue.record("not the message")
            return
        }
        let refusal = ErrorReply(.storeFull, "no space")
        guard case .refused(refusal) = try Reply<Submitted>.decode(refusal.encoded()) else {
            Issue.record("not the refusal")
            return
        }
        #expect(throws: WireError(.unexpectedKind, "a frame of kind ping, not submitted")) {
            try Reply<Submitted>.decode(Ping().encoded())
        }
    }
}
