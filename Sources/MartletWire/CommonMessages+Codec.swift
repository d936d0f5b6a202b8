import MartletCore

extension ErrorReply {
    /// The answer to a frame that could not be read.
    package init(_ error: WireError) {
        let code: Code =
            switch error.code {
            case .malformed, .unexpectedKind: .malformedFrame
            case .unknownVersion: .unknownVersion
            case .unknownKind: .unknownKind
            }
        self.init(code, error.message)
    }

    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.code.rawValue)
            $0.write(self.message)
            $0.write(self.challenge)
            if self.code == .duplicate { $0.write(self.existing ?? JobID(rawValue: 0)) }
        }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        let code = Code(rawValue: try reader.read()) ?? .internal
        let message = try reader.readText("message")
        let challenge = try reader.readBytes()
        let existing = code == .duplicate ? try reader.readJobID() : JobID(rawValue: 0)
        self.init(code, message, challenge: challenge, existing: existing.rawValue == 0 ? nil : existing)
    }
}

extension Authenticate {
    package static let nonceBytesCount = 32
    package static let proofBytesCount = 32

    package func encode(into writer: inout FrameWriter) {
        writer.record {
            $0.write(self.nonce)
            $0.write(self.proof)
        }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.nonce = try reader.readBytes(exactly: Self.nonceBytesCount, "nonce")
        self.proof = try reader.readBytes(exactly: Self.proofBytesCount, "proof")
    }
}

extension Authenticated {
    package func encode(into writer: inout FrameWriter) {
        writer.record { $0.write(self.proof) }
    }

    package init(from reader: inout FrameReader) throws(WireError) {
        try reader.nextRecord()
        self.proof = try reader.readBytes(exactly: Authenticate.proofBytesCount, "proof")
    }
}
