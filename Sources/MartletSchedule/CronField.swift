/// A field of a cron expression.
public enum CronField: String, Hashable, Sendable, CaseIterable {
    case second
    case minute
    case hour
    case dayOfMonth = "day of month"
    case month
    case dayOfWeek = "day of week"

    /// The numbers that may be written.
    var numbers: ClosedRange<Int> {
        switch self {
        case .second, .minute: 0...59
        case .hour: 0...23
        case .dayOfMonth: 1...31
        case .month: 1...12
        case .dayOfWeek: 0...7
        }
    }

    /// How many different values there are; a range that wraps around goes on after that many.
    var valueCount: Int { self == .dayOfWeek ? 7 : self.numbers.count }

    /// The names that may be written, from the least value on.
    var names: [String] {
        switch self {
        case .month: ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
        case .dayOfWeek: ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
        default: []
        }
    }

    /// What may be written, for the end of an error.
    var allowed: String {
        let common = "ranges a-b, steps */n, lists a,b"
        switch self {
        case .second, .minute: return "use 0-59, *, \(common)"
        case .hour: return "use 0-23, *, \(common)"
        case .dayOfMonth: return "use 1-31, *, ?, L, L-3, 15W, LW, \(common)"
        case .month: return "use 1-12, JAN-DEC, *, \(common)"
        case .dayOfWeek: return "use 0-7 (0 and 7 are Sunday), SUN-SAT, *, ?, FRIL, FRI#2, \(common)"
        }
    }
}
