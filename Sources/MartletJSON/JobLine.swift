package import MartletConfiguration
package import MartletCore

/// What jobs get where their line, or the command line, does not say otherwise.
package struct JobDefaults: Sendable {
    /// With a type, a line is a payload; without, it is an object that names one.
    package var type: String?
    package var queue = "default"
    package var delay: Duration?
    package var priority: Priority?
    package var maxAttempts: Int?
    package var timeout: Duration?
    package var time: WallTime?
    /// Tags, metadata, unique key and the like.
    package var rare = JobOptions.Rare()
    /// Retry policies by job type, from cluster.json: `maxAttempts` changes one number of them.
    package var retryPolicies: [String: RetryPolicy] = [:]

    package static let delayRange: ClosedRange<Duration> = .zero ... .seconds(3650 * 86400)
    package static let timeoutRange: ClosedRange<Duration> = .milliseconds(1) ... .seconds(30 * 86400)

    package init(
        type: String? = nil, queue: String = "default", delay: Duration? = nil, priority: Priority? = nil,
        maxAttempts: Int? = nil, timeout: Duration? = nil, retryPolicies: [String: RetryPolicy] = [:]
    ) {
        self.type = type
        self.queue = queue
        self.delay = delay
        self.priority = priority
        self.maxAttempts = maxAttempts
        self.timeout = timeout
        self.retryPolicies = retryPolicies
    }

    /// A job with these options.
    func job(_ type: String, payload: ArraySlice<UInt8>) -> JobDraft {
        var options = JobOptions(priority: self.priority ?? .normal, timeout: self.timeout)
        if let maxAttempts {
            let base = self.retryPolicies[type] ?? .standard
            options.retry = RetryPolicy(
                maxAttempts: maxAttempts, initialBackoff: base.initialBackoff, maxBackoff: base.maxBackoff,
                jitter: base.jitter)
        }
        options.rareOptions = self.rare
        return JobDraft(
            type: type, queue: self.queue, payload: payload, delay: self.delay, time: self.time, options: options)
    }
}

/// A job that somebody wants.
package struct JobDraft: Sendable {
    package let type: String
    package let queue: String
    package let payload: ArraySlice<UInt8>
    /// How long to wait before it may run; nil for not at all.
    package let delay: Duration?
    /// When it may run, instead of a delay.
    package let time: WallTime?
    package let options: JobOptions

    package var template: JobTemplate { JobTemplate(type: self.type, queue: self.queue, options: self.options) }
}

/// A job as a JSON object: one line of a JSONL file, or the body of a request.
package enum JobLine {
    package static let keys = [
        "type", "queue", "payload", "delay", "at", "priority", "maxAttempts", "timeout", "expiry", "unique",
        "uniqueFor", "onDuplicate", "group", "key", "ordered", "retention", "services", "tags", "metadata",
    ]

    /// Why a line is no job.
    package struct Problem: Error, Hashable, Sendable {
        package let cause: String
        package let fix: String

        package init(cause: String, fix: String) {
            self.cause = cause
            self.fix = fix
        }
    }

    /// Reads a line.
    ///
    /// - Parameters:
    ///   - keys: what an object may have beside ``keys``.
    ///   - take: is given the values of those.
    /// - Returns: nil for an empty line.
    package static func job(
        from line: [UInt8], defaults: JobDefaults, keys: [String] = [],
        take: (String, JSONValue) throws -> Void = { _, _ in }
    ) throws(Problem) -> JobDraft? {
        guard line.contains(where: { $0 != 0x20 && $0 != 0x09 }) else { return nil }
        let job: JobDraft
        do {
            if let type = defaults.type {
                job = defaults.job(type, payload: line[try JSONReader.check(line)])
            } else {
                job = try Self.envelope(line, defaults, keys, take)
            }
        } catch let error as JSONSyntaxError {
            let column = TextPosition(offset: error.offset, in: line).column
            throw Problem(cause: "not valid JSON: \(error.message) (column \(column))", fix: "correct the line")
        } catch let error as Problem {
            throw error
        } catch {
            throw Problem(cause: "\(error)", fix: "correct the line")
        }
        return job
    }

    private static func envelope(
        _ line: [UInt8], _ defaults: JobDefaults, _ more: [String], _ take: (String, JSONValue) throws -> Void
    ) throws -> JobDraft {
        guard let members = try JSONReader.members(of: line) else {
            throw Problem(
                cause: "a job is an object such as {\"type\": \"mail.send\", \"payload\": {}}",
                fix: "or give --type, so that each line is a payload")
        }
        var defaults = defaults
        var type: String?
        var payload: ArraySlice<UInt8> = [0x7B, 0x7D]
        for (name, range) in members {
            if name == "payload" {
                payload = line[range]
                continue
            }
            guard Self.keys.contains(name) || more.contains(name) else {
                throw Self.unknown(name, among: Self.keys + more)
            }
            let value = try JSONReader.value(of: Array(line[range]))
            switch name {
            case _ where more.contains(name): try take(name, value)
            case "type": type = try Self.name(value, name)
            case "queue": defaults.queue = try Self.name(value, name)
            case "delay": defaults.delay = try Self.duration(value, name, in: JobDefaults.delayRange)
            case "timeout": defaults.timeout = try Self.duration(value, name, in: JobDefaults.timeoutRange)
            case "priority":
                defaults.priority = Priority(rawValue: UInt8(try Self.count(value, name, in: 0...9)))
            case "maxAttempts": defaults.maxAttempts = try Self.count(value, name, in: 1...1000)
            default: try defaults.set(name, value)
            }
        }
        try defaults.finish()
        guard let type else {
            throw Problem(cause: "the key \"type\" is missing", fix: "add it, or give --type")
        }
        return defaults.job(type, payload: payload)
    }

    private static func unknown(_ key: String, among keys: [String]) -> Problem {
        let nearest = NearestWord.to(key, among: keys)
        return Problem(
            cause: "unknown key \"\(key)\"",
            fix: nearest.map { "did you mean \"\($0)\"?" } ?? "known: \(keys.joined(separator: ", "))")
    }

    package static func name(_ value: JSONValue, _ key: String) throws(Problem) -> String {
        guard case .string(let text) = value.content else {
            throw Problem(cause: "\"\(key)\" is \(value.kindName), not a string", fix: "put it in double quotes")
        }
        if let problem = NameRule.problem(text) {
            throw Problem(cause: "\"\(key)\" \(problem)", fix: "use up to 128 letters, digits and . _ - : /")
        }
        return text
    }

    package static func duration(
        _ value: JSONValue, _ key: String, in range: ClosedRange<Duration>
    ) throws(Problem) -> Duration {
        guard case .string(let text) = value.content, let duration = Quantity.duration(text), range.contains(duration)
        else {
            throw Problem(
                cause: "\"\(key)\" is no duration from \(Quantity.text(range.lowerBound)) to "
                    + Quantity.text(range.upperBound),
                fix: "write it such as \"15s\"")
        }
        return duration
    }

    private static func count(_ value: JSONValue, _ key: String, in range: ClosedRange<Int>) throws(Problem) -> Int {
        guard case .number(let text) = value.content, let count = Int(text), range.contains(count) else {
            throw Problem(
                cause: "\"\(key)\" is no whole number from \(range.lowerBound) to \(range.upperBound)",
                fix: "correct the number")
        }
        return count
    }
}
