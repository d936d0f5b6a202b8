/// Why an attempt failed, for people and for the dead list. Bounded; never holds a payload.
public struct JobFailure: Hashable, Sendable {
    /// Short and stable: the Swift type of the error, `timeout`, `exit 3`, `node lost` ...
    public let kind: String
    public let message: String

    package static let kindBytesMax = 128
    package static let messageBytesMax = 2048

    /// Cuts both texts to their bounds, at a character.
    public init(kind: String, message: String) {
        self.kind = Self.cut(kind, to: Self.kindBytesMax)
        self.message = Self.cut(message, to: Self.messageBytesMax)
    }

    private static func cut(_ text: String, to bytesMax: Int) -> String {
        guard text.utf8.count > bytesMax else { return text }
        var cut = text.utf8.index(text.utf8.startIndex, offsetBy: bytesMax)
        while cut > text.startIndex, cut.samePosition(in: text) == nil { cut = text.utf8.index(before: cut) }
        return String(text[..<cut])
    }
}
