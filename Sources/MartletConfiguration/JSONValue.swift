/// A JSON value that knows where it stood in its source, so that an error can point at it.
package struct JSONValue: Sendable {
    package enum Content: Sendable {
        case null
        case boolean(Bool)
        /// As written.
        case number(String)
        case string(String)
        case array([JSONValue])
        /// In source order; names are unique.
        case object([Member])
    }

    package struct Member: Sendable {
        package let name: String
        /// Offset of the name's opening quote.
        package let nameOffset: Int
        package let value: JSONValue
    }

    package let content: Content
    /// Byte offsets in the source.
    package let range: Range<Int>

    package init(content: Content, range: Range<Int>) {
        self.content = content
        self.range = range
    }

    /// What people call this kind of value.
    package var kindName: String {
        switch self.content {
        case .null: "null"
        case .boolean: "a boolean"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

/// The source is not JSON.
package struct JSONSyntaxError: Error, Hashable, Sendable {
    /// What is wrong, without the place: `expected ',' or '}'`.
    package let message: String
    /// Byte offset in the source.
    package let offset: Int

    package init(message: String, offset: Int) {
        self.message = message
        self.offset = offset
    }
}

/// A line and a column of a text, both from 1; the column counts characters.
package struct TextPosition: Hashable, Sendable {
    package let line: Int
    package let column: Int

    /// The position of byte `offset`, or of the end if it lies beyond.
    package init(offset: Int, in source: [UInt8]) {
        var line = 1
        var lineStart = 0
        let end = min(offset, source.count)
        for (index, byte) in source[..<end].enumerated() where byte == UInt8(ascii: "\n") {
            line += 1
            lineStart = index + 1
        }
        self.line = line
        self.column = String(decoding: source[lineStart..<end], as: UTF8.self).count + 1
    }
}
