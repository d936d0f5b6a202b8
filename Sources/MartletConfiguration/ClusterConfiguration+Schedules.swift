package import MartletCore
import MartletSchedule

/// `schedules`: recurring jobs, by name.
extension ClusterConfiguration {
    package static let schedulesMax = 10_000
    static let scheduleKeys = [
        "cron", "every", "zone", "daylightSaving", "anchor", "type", "queue", "payload", "missed", "lateMax", "overlap",
        "jitter", "start", "end", "priority", "timeout", "expiry", "retry",
    ]

    /// In the order of their names.
    static func schedules(_ root: ObjectFields) throws(ConfigurationError) -> [ScheduleDefinition] {
        guard let fields = try root.object("schedules", known: nil) else { return [] }
        guard fields.members.count <= Self.schedulesMax else {
            throw ConfigurationError(
                path: "schedules", cause: "there are \(fields.members.count) of them",
                fix: "use \(Self.schedulesMax) at most")
        }
        var schedules: [ScheduleDefinition] = []
        for (name, value) in fields.members {
            let path = fields.path(name)
            schedules.append(
                try Self.schedule(name, try ObjectFields(value, path: path, known: Self.keys["schedules.*"])))
        }
        return schedules.sorted { $0.name < $1.name }
    }

    /// A schedule as `cluster.json` has it, from elsewhere. Errors name keys of the object alone.
    package static func schedule(
        _ name: String, of value: JSONValue
    ) throws(ConfigurationError) -> ScheduleDefinition {
        try Self.schedule(name, try ObjectFields(value, path: "", known: Self.keys["schedules.*"]))
    }

    private static func schedule(
        _ name: String, _ fields: ObjectFields
    ) throws(ConfigurationError) -> ScheduleDefinition {
        guard let type = try fields.string("type") else {
            throw ConfigurationError(
                path: fields.path, cause: "has no \"type\"", fix: "name the type of the jobs that it submits")
        }
        var options = JobOptions(timeout: try fields.duration("timeout"))
        if let priority = try fields.count("priority") {
            try Check.count(priority, in: 0...9, path: fields.path("priority"))
            options.priority = Priority(rawValue: UInt8(priority))!
        }
        options.expiry = try fields.duration("expiry")
        if fields.value("retry") != nil { options.retry = try Self.retry(fields) }
        let definition = ScheduleDefinition(
            name: name, recurrence: try Self.recurrence(fields), zone: try fields.string("zone") ?? "UTC",
            daylightSaving: try Self.daylightSaving(fields),
            anchor: try Self.time("anchor", fields) ?? WallTime(microseconds: 0), rules: try Self.rules(fields),
            template: JobTemplate(type: type, queue: try fields.string("queue") ?? "default", options: options),
            payload: Bytes(copying: (fields.value("payload")?.compact ?? "{}").utf8))
        if let problem = definition.problem {
            throw ConfigurationError(path: fields.path, cause: problem, fix: "see docs/scheduling.md")
        }
        do throws(ScheduleError) { _ = try ScheduleTimes(definition) } catch {
            let key = error.code == .unknownZone ? "zone" : fields.value("cron") == nil ? "every" : "cron"
            let place = error.field.map { "\($0.rawValue) " } ?? ""
            throw ConfigurationError(
                path: fields.path(key), cause: "\(place)\"\(error.text)\": \(error.cause)", fix: error.fix)
        }
        return definition
    }

    private static func recurrence(_ fields: ObjectFields) throws(ConfigurationError) -> String {
        let cron = try fields.string("cron")
        let every = try fields.duration("every")
        switch (cron, every) {
        case (let cron?, nil): return cron
        case (nil, let every?): return "@every \(Quantity.text(every))"
        case (nil, nil):
            throw ConfigurationError(
                path: fields.path, cause: "says nothing of when",
                fix: "add \"cron\": \"0 3 * * *\" or \"every\": \"90s\"")
        case (_?, _?):
            throw ConfigurationError(
                path: fields.path("every"), cause: "there is \"cron\" too", fix: "remove one of the two")
        }
    }

    private static func daylightSaving(_ fields: ObjectFields) throws(ConfigurationError) -> DaylightSaving {
        guard let text = try fields.string("daylightSaving") else { return .once }
        return try Self.choice(
            text, DaylightSaving(rawValue: text), DaylightSaving.allCases.map(\.rawValue), fields.path("daylightSaving")
        )
    }

    private static func rules(_ fields: ObjectFields) throws(ConfigurationError) -> ScheduleRules {
        let standard = ScheduleRules()
        var missed = standard.missed
        if let text = try fields.string("missed") {
            guard let policy = MissedRunPolicy(text: text) else {
                throw ConfigurationError(
                    path: fields.path("missed"), cause: "\"\(text)\" is no policy",
                    fix: "use \(MissedRunPolicy.textHelp)")
            }
            missed = policy
        }
        var overlap = standard.overlap
        if let text = try fields.string("overlap") {
            overlap = try Self.choice(text, OverlapPolicy(text: text), OverlapPolicy.texts, fields.path("overlap"))
        }
        let lateMax = try fields.duration("lateMax") ?? standard.lateMax
        let jitter = try fields.duration("jitter") ?? standard.jitter
        try Check.duration(jitter, in: .zero...ScheduleRules.jitterMax, path: fields.path("jitter"))
        let start = try Self.time("start", fields)
        let end = try Self.time("end", fields)
        if let start, let end, start >= end {
            throw ConfigurationError(path: fields.path("end"), cause: "is not behind the start", fix: "correct one")
        }
        return ScheduleRules(
            missed: missed, lateMax: lateMax, overlap: overlap, jitter: jitter, start: start, end: end)
    }

    private static func choice<Value>(
        _ text: String, _ value: Value?, _ all: [String], _ path: String
    ) throws(ConfigurationError) -> Value {
        if let value { return value }
        let nearest = NearestWord.to(text, among: all).map { "did you mean \"\($0)\"?" }
        throw ConfigurationError(
            path: path, cause: "\"\(text)\" is no policy", fix: nearest ?? "use one of \(all.joined(separator: ", "))")
    }

    private static func time(_ key: String, _ fields: ObjectFields) throws(ConfigurationError) -> WallTime? {
        guard let text = try fields.string(key) else { return nil }
        if let time = WallTime(rfc3339: text) { return time }
        throw ConfigurationError(
            path: fields.path(key), cause: "\"\(text)\" is no time", fix: "write it such as \"2026-12-24T18:00:00Z\"")
    }
}

extension JSONValue {
    /// The value on one line, so that it stays the same however a file is laid out.
    var compact: String {
        switch self.content {
        case .null: return "null"
        case .boolean(let value): return value ? "true" : "false"
        case .number(let text): return text
        case .string(let text): return Self.quoted(text)
        case .array(let elements): return "[" + elements.map(\.compact).joined(separator: ",") + "]"
        case .object(let members):
            let inner = members.map { Self.quoted($0.name) + ":" + $0.value.compact }
            return "{" + inner.joined(separator: ",") + "}"
        }
    }

    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
