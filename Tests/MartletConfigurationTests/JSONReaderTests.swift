import MartletConfiguration
import Testing

@Suite struct JSONReaderTests {
    @Test(arguments: [
        ("{\"a\": 1,}", "extra ',' before '}'", 8),
        ("{\"a\" 1}", "expected ':' after \"a\"", 5),
        ("[1 2]", "expected ',' or ']'", 3),
        ("[1,]", "extra ',' before ']'", 3),
        ("{\"a\": 1} x", "text after the end of the JSON value", 9),
        ("// hello\n{}", "JSON has no comments", 0),
        ("{'a': 1}", "expected a name in quotes", 1),
        ("[01]", "a number with a leading zero", 1),
        ("[1.]", "expected a digit after '.'", 3),
        ("[tru]", "expected a value", 1),
        ("\"abc", "a string without its closing quote", 0),
        ("\"a\nb\"", "a control character in a string; write it as an escape", 2),
        ("\"\\ud800x\"", "half of a surrogate pair", 1),
        ("\"\\q\"", "an unknown escape in a string", 1),
        ("{\"a\": 1, \"a\": 2}", "\"a\" is given twice", 9),
        ("  ", "nothing here; expected a JSON value", 2),
        ("{\"a\":", "the text ends where a value was expected", 5),
    ])
    func pointsAtWhatIsWrong(source: String, message: String, offset: Int) {
        let expected = JSONSyntaxError(message: message, offset: offset)
        #expect(throws: expected) { try JSONReader.value(of: Array(source.utf8)) }
        // Both ways of reading agree, but for names given twice deep inside, which `check` leaves alone.
        if !message.contains("twice") {
            #expect(throws: expected) { try JSONReader.check(Array(source.utf8)) }
        }
    }

    @Test(arguments: [
        ("\"plain\"", "plain"), ("\"\\u00e9\\n\\\"\\/\"", "é\n\"/"), ("\"\\ud83d\\ude00\"", "😀"), ("\"é😀\"", "é😀"),
    ])
    func unescapesStrings(source: String, expected: String) throws {
        guard case .string(let text) = try JSONReader.value(of: Array(source.utf8)).content else {
            Issue.record("not a string")
            return
        }
        #expect(text == expected)
    }

    @Test func refusesWhatIsNotUTF8() {
        #expect(throws: JSONSyntaxError.self) { try JSONReader.value(of: [0x22, 0xFF, 0x22]) }
    }

    @Test func refusesDeepNestingInsteadOfOverflowing() {
        let deep = [UInt8](repeating: UInt8(ascii: "["), count: 1_000_000)
        #expect(throws: JSONSyntaxError.self) { try JSONReader.value(of: deep) }
        #expect(throws: JSONSyntaxError.self) { try JSONReader.check(deep) }
    }

    @Test func givesThePlacesOfMembers() throws {
        let source = Array("  {\"type\": \"a\", \"payload\": {\"x\": [1, 2.5e-3]} }".utf8)
        let members = try #require(try JSONReader.members(of: source))
        #expect(members.map(\.name) == ["type", "payload"])
        #expect(String(decoding: source[members[1].range], as: UTF8.self) == "{\"x\": [1, 2.5e-3]}")
        #expect(try JSONReader.members(of: Array("[1]".utf8)) == nil)
    }

    @Test func countsLinesAndCharacters() {
        let source = Array("{\n  \"é\": x".utf8)
        let position = TextPosition(offset: source.count - 1, in: source)
        #expect(position.line == 2)
        #expect(position.column == 8)
    }
}
