import Foundation
public import MartletCore
import Synchronization

/// A time zone of the IANA database, such as `Europe/Berlin`, that is known to exist.
public struct TimeZoneName: Hashable, Sendable, CustomStringConvertible {
    /// The name as it was given.
    public let description: String
    let offsets: ZoneOffsets

    public static let utc = TimeZoneName(description: "UTC", offsets: ZoneOffsets(.gmt))

    /// Names without a slash that the IANA database has; Foundation knows others (`PST`, `IST`), which mean two things.
    private static let plainNames: Set<String> = [
        "UTC", "GMT", "CET", "MET", "EET", "WET", "EST", "MST", "HST", "EST5EDT", "CST6CDT", "MST7MDT", "PST8PDT",
        "Cuba", "Egypt", "Eire", "GB", "Hongkong", "Iceland", "Iran", "Israel", "Jamaica", "Japan", "Kwajalein",
        "Libya", "Navajo", "NZ", "Poland", "Portugal", "PRC", "ROC", "ROK", "Singapore", "Turkey", "UCT",
        "Universal", "Zulu",
    ]
    package static let bytesMax = 64
    /// One for each zone in use, so that its transitions are looked up once. As many as there are zones at most.
    private static let shared = Mutex<[String: ZoneOffsets]>([:])

    /// - Throws: ``ScheduleError`` with `unknownZone`, which names the nearest zone there is.
    public init(_ name: String) throws(ScheduleError) {
        // Foundation calls UTC GMT, and reads more than names (GMT+3): such an identifier comes back changed.
        guard name.contains("/") || Self.plainNames.contains(name), name.utf8.count <= Self.bytesMax,
            let zone = TimeZone(identifier: name), zone.identifier == name || name == "UTC"
        else {
            let known = ["UTC"] + TimeZone.knownTimeZoneIdentifiers.sorted()
            let city = known.first { $0.split(separator: "/").last?.lowercased() == name.lowercased() }
            let nearest = city ?? (name.utf8.count <= Self.bytesMax ? NearestWord.to(name, among: known) : nil)
            throw ScheduleError(
                .unknownZone, text: name, cause: "no such time zone",
                fix: nearest.map { "did you mean \"\($0)\"?" }
                    ?? "use an IANA name such as \"Europe/Berlin\" or \"UTC\"")
        }
        self.description = name
        self.offsets = Self.shared.withLock { shared in
            if let known = shared[name] { return known }
            let offsets = ZoneOffsets(zone)
            shared[name] = offsets
            return offsets
        }
    }

    private init(description: String, offsets: ZoneOffsets) {
        self.description = description
        self.offsets = offsets
    }

    public static func == (a: Self, b: Self) -> Bool { a.description == b.description }

    public func hash(into hasher: inout Hasher) { hasher.combine(self.description) }

    /// What a clock in this zone shows, with its distance from UTC: `2026-03-29T03:00:00+02:00`.
    public func text(of time: WallTime) -> String {
        let second = time.microseconds.flooredQuotient(by: 1_000_000)
        let offset = self.offsets.span(at: second).offset
        let local = second + offset
        let day = local.flooredQuotient(by: CivilDate.secondsPerDay)
        let date = CivilDate(daysSince1970: day)
        let clock = Int(local - day * CivilDate.secondsPerDay)
        let distance = Int(abs(offset))
        return "\(Self.padded(date.year, 4))-\(Self.padded(date.month))-\(Self.padded(date.day))T"
            + "\(Self.padded(clock / 3600)):\(Self.padded(clock / 60 % 60)):\(Self.padded(clock % 60))"
            + "\(offset < 0 ? "-" : "+")\(Self.padded(distance / 3600)):\(Self.padded(distance / 60 % 60))"
    }

    private static func padded(_ number: Int, _ width: Int = 2) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
