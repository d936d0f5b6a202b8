/// Reads RFC 8259 JSON and keeps the place of every value, which Foundation's decoder does not.
///
/// Stricter than the RFC in one point: a name that occurs twice in an object is an error, since one of the two
/// would silently not count.
package struct JSONReader: Sendable {
    /// Values may nest this deep.
    package static let depthMax = 128

    private let source: [UInt8]
    private var index = 0
    private var depth = 0

    private init(_ source: [UInt8]) {
        self.source = source
    }

    /// Reads one value that fills the whole source but for white space.
    package static func value(of source: [UInt8]) throws(JSONSyntaxError) -> JSONValue {
        var reader = try JSONReader.begin(source)
        let value = try reader.value()
        try reader.end()
        return value
    }

    /// Checks that the source is one JSON value without building it, and returns the value's place.
    package static func check(_ source: [UInt8]) throws(JSONSyntaxError) -> Range<Int> {
        var reader = try JSONReader.begin(source)
        let range = try reader.skipValue()
        try reader.end()
        return range
    }

    /// The members of the object that the source holds, their values checked but not built.
    ///
    /// - Returns: nil if the value is no object; it is checked all the same.
    package static func members(
        of source: [UInt8]
    ) throws(JSONSyntaxError) -> [(name: String, range: Range<Int>)]? {
        var reader = try JSONReader.begin(source)
        guard reader.peek == UInt8(ascii: "{") else {
            _ = try reader.skipValue()
            try reader.end()
            return nil
        }
        var members: [(name: String, range: Range<Int>)] = []
        try reader.object { (name, offset, reader) throws(JSONSyntaxError) in
            if members.contains(where: { $0.name == name }) { throw Self.repeated(name, at: offset) }
            members.append((name, try reader.skipValue()))
        }
        try reader.end()
        return members
    }

    // MARK: Values

    private mutating func value() throws(JSONSyntaxError) -> JSONValue {
        let start = self.index
        let content: JSONValue.Content
        switch self.peek {
        case UInt8(ascii: "{"):
            var members: [JSONValue.Member] = []
            var names: Set<String> = []
            try self.object { (name, offset, reader) throws(JSONSyntaxError) in
                guard names.insert(name).inserted else { throw Self.repeated(name, at: offset) }
                members.append(.init(name: name, nameOffset: offset, value: try reader.value()))
            }
            content = .object(members)
        case UInt8(ascii: "["):
            var elements: [JSONValue] = []
            try self.array { (reader) throws(JSONSyntaxError) in elements.append(try reader.value()) }
            content = .array(elements)
        case UInt8(ascii: "\""):
            content = .string(try self.string())
        case UInt8(ascii: "t"):
            try self.word("true")
            content = .boolean(true)
        case UInt8(ascii: "f"):
            try self.word("false")
            content = .boolean(false)
        case UInt8(ascii: "n"):
            try self.word("null")
            content = .null
        default:
            try self.number()
            content = .number(String(decoding: self.source[start..<self.index], as: UTF8.self))
        }
        return JSONValue(content: content, range: start..<self.index)
    }

    private mutating func skipValue() throws(JSONSyntaxError) -> Range<Int> {
        let start = self.index
        switch self.peek {
        case UInt8(ascii: "{"):
            try self.object { (_, _, reader) throws(JSONSyntaxError) in _ = try reader.skipValue() }
        case UInt8(ascii: "["):
            try self.array { (reader) throws(JSONSyntaxError) in _ = try reader.skipValue() }
        case UInt8(ascii: "\""): try self.skipString()
        case UInt8(ascii: "t"): try self.word("true")
        case UInt8(ascii: "f"): try self.word("false")
        case UInt8(ascii: "n"): try self.word("null")
        default: try self.number()
        }
        return start..<self.index
    }

    private mutating func object(
        _ member: (String, Int, inout JSONReader) throws(JSONSyntaxError) -> Void
    ) throws(JSONSyntaxError) {
        try self.descend()
        self.skipSpace()
        if self.takeEnd(UInt8(ascii: "}")) { return }
        while true {
            let offset = self.index
            guard self.peek == UInt8(ascii: "\"") else {
                let isEnd = self.peek == UInt8(ascii: "}")
                throw self.failure(isEnd ? "extra ',' before '}'" : "expected a name in quotes")
            }
            let name = try self.string()
            self.skipSpace()
            guard self.take(UInt8(ascii: ":")) else { throw self.failure("expected ':' after \"\(name)\"") }
            self.skipSpace()
            try member(name, offset, &self)
            self.skipSpace()
            if self.takeEnd(UInt8(ascii: "}")) { return }
            guard self.take(UInt8(ascii: ",")) else { throw self.failure("expected ',' or '}'") }
            self.skipSpace()
        }
    }

    private mutating func array(
        _ element: (inout JSONReader) throws(JSONSyntaxError) -> Void
    ) throws(JSONSyntaxError) {
        try self.descend()
        self.skipSpace()
        if self.takeEnd(UInt8(ascii: "]")) { return }
        while true {
            if self.peek == UInt8(ascii: "]") { throw self.failure("extra ',' before ']'") }
            try element(&self)
            self.skipSpace()
            if self.takeEnd(UInt8(ascii: "]")) { return }
            guard self.take(UInt8(ascii: ",")) else { throw self.failure("expected ',' or ']'") }
            self.skipSpace()
        }
    }

    /// Steps over a string without its quotes unescaped.
    private mutating func skipString() throws(JSONSyntaxError) {
        let start = self.index
        self.index += 1
        while let byte = self.peek {
            self.index += 1
            switch byte {
            case UInt8(ascii: "\""): return
            case UInt8(ascii: "\\"): _ = try self.escape()
            case 0..<0x20:
                self.index -= 1
                throw self.failure("a control character in a string; write it as an escape")
            default: continue
            }
        }
        throw JSONSyntaxError(message: "a string without its closing quote", offset: start)
    }

    private mutating func string() throws(JSONSyntaxError) -> String {
        let start = self.index + 1
        try self.skipString()
        let raw = self.source[start..<self.index - 1]
        guard raw.contains(UInt8(ascii: "\\")) else { return String(decoding: raw, as: UTF8.self) }
        let end = self.index
        self.index = start
        var text: [UInt8] = []
        while self.index < end - 1 {
            let byte = self.source[self.index]
            self.index += 1
            if byte == UInt8(ascii: "\\") {
                text.append(contentsOf: String(Character(try self.escape())).utf8)
            } else {
                text.append(byte)
            }
        }
        self.index = end
        return String(decoding: text, as: UTF8.self)
    }

    /// Reads what follows a backslash.
    private mutating func escape() throws(JSONSyntaxError) -> Unicode.Scalar {
        let place = self.index - 1
        guard let byte = self.peek else { throw self.failure("a string without its closing quote") }
        self.index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            let first = try self.hexQuad()
            if let scalar = Unicode.Scalar(UInt32(first)) { return scalar }
            guard first < 0xDC00, self.take(UInt8(ascii: "\\")), self.take(UInt8(ascii: "u")) else {
                throw JSONSyntaxError(message: "half of a surrogate pair", offset: place)
            }
            let second = try self.hexQuad()
            guard (0xDC00...0xDFFF).contains(second) else {
                throw JSONSyntaxError(message: "half of a surrogate pair", offset: place)
            }
            return Unicode.Scalar(0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00))!
        default: throw JSONSyntaxError(message: "an unknown escape in a string", offset: place)
        }
    }

    private mutating func hexQuad() throws(JSONSyntaxError) -> UInt16 {
        guard self.index + 4 <= self.source.count,
            self.source[self.index..<self.index + 4].allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let value = UInt16(String(decoding: self.source[self.index..<self.index + 4], as: UTF8.self), radix: 16)
        else { throw self.failure("expected four hexadecimal digits after \\u") }
        self.index += 4
        return value
    }

    private mutating func number() throws(JSONSyntaxError) {
        let start = self.index
        _ = self.take(UInt8(ascii: "-"))
        let whole = self.digits()
        let leadingZero = whole > 1 && self.source[self.index - whole] == UInt8(ascii: "0")
        guard whole > 0, !leadingZero else {
            self.index = start
            throw self.failure(leadingZero ? "a number with a leading zero" : self.noValue)
        }
        if self.take(UInt8(ascii: ".")), self.digits() == 0 { throw self.failure("expected a digit after '.'") }
        if self.take(UInt8(ascii: "e")) || self.take(UInt8(ascii: "E")) {
            if !self.take(UInt8(ascii: "+")) { _ = self.take(UInt8(ascii: "-")) }
            if self.digits() == 0 { throw self.failure("expected a digit in the exponent") }
        }
    }

    private mutating func digits() -> Int {
        let start = self.index
        while let byte = self.peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { self.index += 1 }
        return self.index - start
    }

    private mutating func word(_ word: StaticString) throws(JSONSyntaxError) {
        let matches = word.withUTF8Buffer { self.source[self.index...].starts(with: $0) }
        guard matches else { throw self.failure(self.noValue) }
        self.index += word.utf8CodeUnitCount
    }

    // MARK: Steps

    private static func begin(_ source: [UInt8]) throws(JSONSyntaxError) -> JSONReader {
        guard String(validating: source, as: UTF8.self) != nil else {
            throw JSONSyntaxError(message: "not UTF-8 text", offset: 0)
        }
        var reader = JSONReader(source)
        reader.skipSpace()
        guard reader.peek != nil else { throw reader.failure("nothing here; expected a JSON value") }
        return reader
    }

    private mutating func end() throws(JSONSyntaxError) {
        self.skipSpace()
        if self.index < self.source.count { throw self.failure("text after the end of the JSON value") }
    }

    private var peek: UInt8? { self.index < self.source.count ? self.source[self.index] : nil }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard self.peek == byte else { return false }
        self.index += 1
        return true
    }

    /// Takes a closing bracket and leaves its level.
    private mutating func takeEnd(_ byte: UInt8) -> Bool {
        guard self.take(byte) else { return false }
        self.depth -= 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = self.peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { self.index += 1 }
    }

    private mutating func descend() throws(JSONSyntaxError) {
        self.index += 1
        self.depth += 1
        if self.depth > Self.depthMax { throw self.failure("nested deeper than \(Self.depthMax) levels") }
    }

    private var noValue: String {
        switch self.peek {
        case nil: "the text ends where a value was expected"
        case UInt8(ascii: "/"), UInt8(ascii: "#"): "JSON has no comments"
        case UInt8(ascii: "'"): "expected a value; strings need double quotes"
        default: "expected a value"
        }
    }

    private func failure(_ message: String) -> JSONSyntaxError {
        JSONSyntaxError(message: message, offset: self.index)
    }

    private static func repeated(_ name: String, at offset: Int) -> JSONSyntaxError {
        JSONSyntaxError(message: "\"\(name)\" is given twice", offset: offset)
    }
}
