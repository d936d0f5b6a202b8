package import MartletCore

/// Something that is sent as one frame.
package protocol Message: Sendable, Hashable {
    static var kind: FrameKind { get }

    /// About how many bytes the frame will take, so that they are reserved at once.
    var frameBytesEstimate: Int { get }

    /// Whether the records have fields that version 0.1.0 does not know.
    var isExtended: Bool { get }
    /// Writes the records.
    func encode(into writer: inout FrameWriter)

    /// Reads the records; those of a later version that are not known are skipped.
    ///
    /// - Throws: `.malformed`, naming the field that is out of its bounds.
    init(from reader: inout FrameReader) throws(WireError)
}

extension Message {
    package var frameBytesEstimate: Int { 256 }
    package var isExtended: Bool { false }

    /// The message as a frame.
    package func encoded() -> Bytes {
        var writer = FrameWriter(Self.kind, bytesEstimate: self.frameBytesEstimate, isExtended: self.isExtended)
        self.encode(into: &writer)
        return writer.finish()
    }

    /// Reads a frame that should be of this kind. Payloads share its memory.
    ///
    /// - Throws: any ``WireError/Code-swift.enum``; `.unexpectedKind` if it is a frame of another kind.
    package static func decode(_ frame: Bytes) throws(WireError) -> Self {
        try FrameReader.reading(frame) { reader throws(WireError) in
            guard reader.kind == Self.kind else {
                throw WireError(.unexpectedKind, "a frame of kind \(reader.kind), not \(Self.kind)")
            }
            return try Self(from: &reader)
        }
    }
}

/// Why a frame could not be read. Match on ``code``.
package struct WireError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: Hashable, Sendable {
        /// Not a Martlet frame, cut short, a length beyond the frame, a value out of its range.
        case malformed
        case unknownVersion
        case unknownKind
        /// A valid frame of another kind than asked for.
        case unexpectedKind
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { self.message }
}
