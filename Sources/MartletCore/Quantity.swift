/// Durations and sizes as people write them: `15s`, `250ms`, `64MiB`.
package enum Quantity {
    private static let durationUnits: [(name: String, nanoseconds: Double)] = [
        ("ns", 1), ("us", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9), ("d", 86400e9),
    ]

    private static let sizeUnits: [(name: String, bytes: Double)] = [
        ("B", 1), ("KiB", 1024), ("MiB", 1_048_576), ("GiB", 1_073_741_824), ("KB", 1e3), ("MB", 1e6), ("GB", 1e9),
    ]

    /// Reads a duration: numbers with units, biggest first, `1h30m`, `1.5s`, `250ms`. Not negative, at most 10 years.
    ///
    /// - Returns: nil if `text` is none. A number without unit is none, because nobody could tell its unit.
    package static func duration(_ text: String) -> Duration? {
        var rest = Substring(text)
        var nanoseconds = 0.0
        var lastUnit = Double.infinity
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            guard let amount = Self.takeNumber(&rest) else { return nil }
            let name = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(name.count)
            guard let unit = Self.durationUnits.first(where: { $0.name == name }), unit.nanoseconds < lastUnit else {
                return nil
            }
            lastUnit = unit.nanoseconds
            nanoseconds += amount * unit.nanoseconds
        }
        guard nanoseconds <= 3650 * 86400e9 else { return nil }
        return .nanoseconds(Self.rounded(nanoseconds))
    }

    /// Reads a size in bytes: `512B`, `64KiB`, `1MiB`, `1.5GiB`, `10MB`. Nil if `text` is none.
    package static func size(_ text: String) -> Int? {
        var rest = Substring(text)
        guard let amount = Self.takeNumber(&rest) else { return nil }
        if rest.first == " " { rest = rest.dropFirst() }
        guard let unit = Self.sizeUnits.first(where: { $0.name == rest }) else { return nil }
        let bytes = amount * unit.bytes
        return bytes <= 1e15 ? Int(Self.rounded(bytes)) : nil
    }

    /// A duration so that ``duration(_:)`` reads it back: `15s`, `1h30m`, `250ms`.
    package static func text(_ duration: Duration) -> String {
        var (rest, attoseconds) = duration.components
        if rest == 0, attoseconds == 0 { return "0s" }
        var text = ""
        for (name, seconds) in [("d", 86400), ("h", 3600), ("m", 60), ("s", 1)] as [(String, Int64)]
        where rest >= seconds {
            text += "\(rest / seconds)\(name)"
            rest %= seconds
        }
        for (name, scale) in [("ms", 1_000_000_000_000_000), ("us", 1_000_000_000_000), ("ns", 1_000_000_000)]
            as [(String, Int64)]
        where attoseconds >= scale {
            text += "\(attoseconds / scale)\(name)"
            attoseconds %= scale
        }
        return text
    }

    /// A size so that ``size(_:)`` reads it back exactly if it is a round one: `64MiB`, `1000B`.
    package static func text(bytes: Int) -> String {
        for (name, unit) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        where bytes >= unit && bytes % unit == 0 {
            return "\(bytes / unit)\(name)"
        }
        return "\(bytes)B"
    }

    /// `rounded()` of what is not negative, which would need the C library's mathematics in every program.
    private static func rounded(_ value: Double) -> Int64 {
        let whole = Int64(value)
        return value - Double(whole) >= 0.5 ? whole + 1 : whole
    }

    private static func takeNumber(_ text: inout Substring) -> Double? {
        let digits = text.prefix { ("0"..."9").contains($0) || $0 == "." }
        guard digits.first != ".", digits.last != ".", let value = Double(digits) else { return nil }
        text = text.dropFirst(digits.count)
        return value
    }
}
