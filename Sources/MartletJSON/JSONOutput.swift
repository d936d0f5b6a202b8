package import MartletCore

/// JSON to print, with members in the order given.
package enum JSONOutput: Sendable {
    case null
    case boolean(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSONOutput])
    case object([(String, JSONOutput)])
    /// Already JSON.
    case raw(String)

    package static func count(_ value: some BinaryInteger) -> JSONOutput { .integer(Int64(clamping: value)) }

    /// As a string: ids pass 2^53, above which many readers of JSON lose digits.
    package static func id(_ id: JobID) -> JSONOutput { .string(String(id.rawValue)) }

    package static func seconds(_ duration: Duration) -> JSONOutput {
        .number(Double(duration.wholeMicroseconds) / 1e6)
    }

    package static func time(_ time: WallTime?) -> JSONOutput {
        time.map { .string(WallClockText.rfc3339($0)) } ?? .null
    }

    package static func optional(_ text: String?) -> JSONOutput { text.map { .string($0) } ?? .null }

    /// On one line.
    package var text: String {
        var text = ""
        self.write(to: &text)
        return text
    }

    private func write(to text: inout String) {
        switch self {
        case .null: text += "null"
        case .boolean(let value): text += value ? "true" : "false"
        case .integer(let value): text += String(value)
        case .number(let value):
            text +=
                value.isFinite
                ? (value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : "\(value)") : "null"
        case .string(let value): Self.quote(value, to: &text)
        case .raw(let value): text += value
        case .array(let elements):
            text += "["
            for (index, element) in elements.enumerated() {
                if index > 0 { text += "," }
                element.write(to: &text)
            }
            text += "]"
        case .object(let members):
            text += "{"
            for (index, member) in members.enumerated() {
                if index > 0 { text += "," }
                Self.quote(member.0, to: &text)
                text += ":"
                member.1.write(to: &text)
            }
            text += "}"
        }
    }

    private static func quote(_ value: String, to text: inout String) {
        text += "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}
