/// Why a text is no schedule, or a schedule gives no answer. Match on ``code``.
public struct ScheduleError: Error, Hashable, Sendable, CustomStringConvertible {
    public struct Code: Hashable, Sendable {
        private enum Base { case badExpression, badField, neverFires, unknownZone, badInterval, tooManyInstants }
        private let base: Base
        private init(_ base: Base) { self.base = base }
        /// The expression as a whole cannot be read: a wrong number of fields, an unknown `@` name.
        public static let badExpression = Self(.badExpression)
        /// One field cannot be read; ``ScheduleError/field`` says which.
        public static let badField = Self(.badField)
        /// No day of any year matches, such as 30 February.
        public static let neverFires = Self(.neverFires)
        /// No such IANA time zone.
        public static let unknownZone = Self(.unknownZone)
        /// No interval, or one below a second.
        public static let badInterval = Self(.badInterval)
        /// A back-fill would make more runs than its bound.
        public static let tooManyInstants = Self(.tooManyInstants)
    }

    public let code: Code
    /// The field of a cron expression that is wrong, if one is.
    public let field: CronField?
    /// What is wrong, as it was given, cut to 64 characters.
    public let text: String
    /// What is wrong with it.
    public let cause: String
    /// What is allowed.
    public let fix: String

    package static let textMax = 64

    package init(_ code: Code, field: CronField? = nil, text: some StringProtocol, cause: String, fix: String) {
        self.code = code
        self.field = field
        self.text = text.count > Self.textMax ? text.prefix(Self.textMax) + "..." : String(text)
        self.cause = cause
        self.fix = fix
    }

    /// One line, for people: `minute "61": 61 is out of range; use 0-59, ...`.
    public var description: String {
        let place = self.field.map { "\($0.rawValue) \"\(self.text)\"" } ?? "\"\(self.text)\""
        return "\(place): \(self.cause); \(self.fix)"
    }
}
