import MartletConfiguration

/// Numbers, times and sizes as people read them.
enum HumanText {
    /// `1,234,567`.
    static func number(_ value: some BinaryInteger) -> String {
        let digits = Array(String(value).utf8)
        let isNegative = digits.first == UInt8(ascii: "-")
        var text: [UInt8] = []
        for (offset, digit) in digits.dropFirst(isNegative ? 1 : 0).reversed().enumerated() {
            if offset > 0, offset.isMultiple(of: 3) { text.append(UInt8(ascii: ",")) }
            text.append(digit)
        }
        return (isNegative ? "-" : "") + String(decoding: text.reversed(), as: UTF8.self)
    }

    /// `12 B`, `1.5 KiB`, `64 MiB`.
    static func size(_ bytes: Int) -> String {
        var value = Double(bytes)
        var unit = "B"
        for next in ["KiB", "MiB", "GiB", "TiB"] where value >= 1024 {
            value /= 1024
            unit = next
        }
        return "\(Self.short(value, always: unit == "B")) \(unit)"
    }

    /// One or two units: `340ms`, `12s`, `3m 20s`, `2h 5m`, `4d 3h`.
    static func duration(_ duration: Duration) -> String {
        if duration < .zero { return "-" + Self.duration(.zero - duration) }
        if duration < .milliseconds(1) { return "0s" }
        let milliseconds = duration.components.seconds * 1000 + duration.components.attoseconds / 1_000_000_000_000_000
        if milliseconds < 1000 { return "\(milliseconds)ms" }
        let seconds = milliseconds / 1000
        let units: [(name: String, seconds: Int64)] = [("d", 86400), ("h", 3600), ("m", 60), ("s", 1)]
        for (index, unit) in units.enumerated() where seconds >= unit.seconds {
            let whole = seconds / unit.seconds
            let rest = seconds % unit.seconds
            guard index + 1 < units.count, whole < 10 || unit.seconds < 86400 else { return "\(whole)\(unit.name)" }
            let next = rest / units[index + 1].seconds
            return next == 0 ? "\(whole)\(unit.name)" : "\(whole)\(unit.name) \(next)\(units[index + 1].name)"
        }
        return "0s"
    }

    /// `3m 20s ago`, `in 5s`, `now`.
    static func relative(_ time: Duration) -> String {
        if abs(time.components.seconds) < 1 { return "now" }
        return time < .zero ? "\(Self.duration(.zero - time)) ago" : "in \(Self.duration(time))"
    }

    /// `a, b or c`.
    static func list(_ words: [String], last: String = "or") -> String {
        guard let final = words.last, words.count > 1 else { return words.first ?? "" }
        return "\(words.dropLast().joined(separator: ", ")) \(last) \(final)"
    }

    /// `1 job`, `2 jobs`.
    static func count(_ value: some BinaryInteger, _ noun: String) -> String {
        "\(Self.number(value)) \(noun)\(value == 1 ? "" : "s")"
    }

    /// `text` on one line, with control characters made visible, so that what others wrote cannot steer a terminal.
    static func printable(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: Self.isControl) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            case _ where Self.isControl(scalar): result += "\\u{\(String(scalar.value, radix: 16))}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// Control characters, and those that turn the direction of text.
    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.generalCategory == .control || (0x202A...0x202E).contains(scalar.value)
            || (0x2066...0x2069).contains(scalar.value)
    }

    private static func short(_ value: Double, always whole: Bool) -> String {
        let tenths = (value * 10).rounded() / 10
        return whole || tenths >= 100 || tenths == tenths.rounded() ? String(Int(tenths.rounded())) : String(tenths)
    }
}
