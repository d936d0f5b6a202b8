package import MartletCore

/// `services`: what external services allow, by name, and what jobs of a type take of them.
extension ClusterConfiguration {
    package static let servicesMax = 1000
    static let rateKeys = ["rate", "per", "burst"]
    static let serviceKeys = rateKeys + ["limits", "concurrency", "perKey", "adaptive", "breaker"]
    static let perKeyKeys = rateKeys + ["limits", "concurrency", "keysMax"]
    static let adaptiveKeys = ["enabled", "decrease", "floor", "step", "stepInterval", "closedFor"]
    static let breakerKeys = ["enabled", "failures", "openFor"]

    static func services(_ root: ObjectFields) throws(ConfigurationError) -> [String: ServiceLimits] {
        guard let fields = try root.object("services", known: nil) else { return [:] }
        guard fields.members.count <= Self.servicesMax else {
            throw ConfigurationError(
                path: "services", cause: "there are \(fields.members.count) of them",
                fix: "use \(Self.servicesMax) at most")
        }
        var services: [String: ServiceLimits] = [:]
        for (name, value) in fields.members {
            let path = fields.path(name)
            if let problem = ServiceUse.problem(name: name) {
                throw ConfigurationError(
                    path: path, cause: "the service name \(problem)", fix: "use up to 128 letters, digits and . _ -")
            }
            services[name] = try Self.service(try ObjectFields(value, path: path, known: Self.keys["services.*"]))
        }
        return services
    }

    /// Limits as `cluster.json` has them, from elsewhere. Errors name keys of the object alone.
    package static func serviceLimits(of value: JSONValue) throws(ConfigurationError) -> ServiceLimits {
        try Self.service(try ObjectFields(value, path: "", known: Self.keys["services.*"]))
    }

    private static func service(_ fields: ObjectFields) throws(ConfigurationError) -> ServiceLimits {
        let concurrency = try fields.count("concurrency")
        try Check.concurrency(concurrency, path: fields.path("concurrency"))
        let limits = ServiceLimits(
            rates: try Self.rates(fields), concurrency: concurrency, perKey: try Self.perKey(fields),
            adaptive: try Self.adaptive(fields), breaker: try Self.breaker(fields))
        if let problem = limits.problem() {
            throw ConfigurationError(path: fields.path, cause: problem, fix: "correct one of them")
        }
        return limits
    }

    /// The rate of the object itself and those under `limits`.
    private static func rates(_ fields: ObjectFields) throws(ConfigurationError) -> [RateLimit] {
        var rates: [RateLimit] = []
        if let rate = try Self.rate(fields) { rates.append(rate) }
        for element in try fields.array("limits", known: Self.rateKeys) {
            guard let rate = try Self.rate(element) else {
                throw ConfigurationError(
                    path: element.path, cause: "has no \"rate\"",
                    fix: "write it as { \"rate\": 50000, \"per\": \"1d\", \"burst\": 1000 }")
            }
            rates.append(rate)
        }
        return rates
    }

    private static func rate(_ fields: ObjectFields) throws(ConfigurationError) -> RateLimit? {
        guard let tokens = try fields.count("rate") else {
            for key in ["per", "burst"] where fields.value(key) != nil {
                throw ConfigurationError(
                    path: fields.path(key), cause: "there is no \"rate\" that it belongs to",
                    fix: "add \"rate\": 100, say, or remove it")
            }
            return nil
        }
        let burst = try fields.count("burst")
        let period = try fields.duration("per") ?? .seconds(1)
        try Check.count(tokens, in: 1...RateLimit.tokensMax, path: fields.path("rate"))
        try Check.duration(period, in: RateLimit.periodMin...RateLimit.periodMax, path: fields.path("per"))
        if let burst { try Check.count(burst, in: 1...RateLimit.tokensMax, path: fields.path("burst")) }
        return RateLimit(tokens: tokens, per: period, burst: burst)
    }

    private static func perKey(_ service: ObjectFields) throws(ConfigurationError) -> KeyedLimits? {
        guard let fields = try service.object("perKey", known: Self.perKeyKeys) else { return nil }
        let concurrency = try fields.count("concurrency")
        try Check.concurrency(concurrency, path: fields.path("concurrency"))
        let keysMax = try fields.count("keysMax") ?? KeyedLimits().keysMax
        try Check.count(keysMax, in: 1...KeyedLimits.keysMaxMax, path: fields.path("keysMax"))
        return KeyedLimits(rates: try Self.rates(fields), concurrency: concurrency, keysMax: keysMax)
    }

    private static func adaptive(_ service: ObjectFields) throws(ConfigurationError) -> AdaptiveLimits? {
        let standard = AdaptiveLimits.standard
        guard let fields = try service.object("adaptive", known: Self.adaptiveKeys) else { return standard }
        let limits = AdaptiveLimits(
            decrease: try Self.thousandths("decrease", fields) ?? standard.decrease,
            floor: try Self.thousandths("floor", fields) ?? standard.floor,
            step: try Self.thousandths("step", fields) ?? standard.step,
            stepInterval: try fields.duration("stepInterval") ?? standard.stepInterval,
            closedFor: try fields.duration("closedFor") ?? standard.closedFor)
        for (key, duration) in [("stepInterval", limits.stepInterval), ("closedFor", limits.closedFor)] {
            try Check.duration(duration, in: .milliseconds(1) ... .seconds(86400), path: fields.path(key))
        }
        return try fields.boolean("enabled") ?? true ? limits : nil
    }

    private static func breaker(_ service: ObjectFields) throws(ConfigurationError) -> BreakerLimits? {
        let standard = BreakerLimits.standard
        guard let fields = try service.object("breaker", known: Self.breakerKeys) else { return standard }
        let failures = try fields.count("failures") ?? standard.failuresToOpen
        try Check.count(failures, in: 1...BreakerLimits.failuresMax, path: fields.path("failures"))
        let openFor = try fields.duration("openFor") ?? standard.openFor
        try Check.duration(openFor, in: .milliseconds(1) ... .seconds(86400), path: fields.path("openFor"))
        return try fields.boolean("enabled") ?? true ? BreakerLimits(failuresToOpen: failures, openFor: openFor) : nil
    }

    private static func thousandths(_ key: String, _ fields: ObjectFields) throws(ConfigurationError) -> Int? {
        guard let share = try fields.share(key) else { return nil }
        guard (0.001...1).contains(share) else {
            throw ConfigurationError(
                path: fields.path(key), cause: "\(share) is out of range", fix: "use 0.001 to 1")
        }
        return Int(share * 1000 + 0.5)
    }

    /// What jobs of a type take of services, in the order of their names.
    static func uses(_ jobType: ObjectFields) throws(ConfigurationError) -> [ServiceUse] {
        guard let fields = try jobType.object("services", known: nil) else { return [] }
        var uses: [ServiceUse] = []
        for (name, _) in fields.members {
            let weight = try fields.count(name) ?? 1
            try Check.count(weight, in: 1...ServiceUse.weightMax, path: fields.path(name))
            uses.append(ServiceUse(name, weight: weight))
        }
        guard uses.count <= ServiceUse.usesMax else {
            throw ConfigurationError(
                path: fields.path, cause: "there are \(uses.count) services", fix: "use \(ServiceUse.usesMax) at most")
        }
        return uses.sorted { $0.service < $1.service }
    }

    /// Every service that a type names is there, and takes the weight.
    static func check(
        _ jobTypes: [String: JobType], against services: [String: ServiceLimits]
    ) throws(ConfigurationError) {
        for (name, type) in jobTypes.sorted(by: { $0.key < $1.key }) {
            for use in type.services {
                let path = "jobTypes.\(name).services.\(use.service)"
                guard let limits = services[use.service] else {
                    let nearest = NearestWord.to(use.service, among: services.keys.sorted())
                    throw ConfigurationError(
                        path: path, cause: "there is no service \"\(use.service)\"",
                        fix: nearest.map { "did you mean \"\($0)\"?" } ?? "add it under \"services\"")
                }
                let weightMax = limits.weightMax(hasKey: use.key != nil)
                guard use.weight <= weightMax else {
                    throw ConfigurationError(
                        path: path,
                        cause: "\(use.weight) tokens are never there at once: a burst is \(weightMax)",
                        fix: "raise services.\(use.service).burst, or lower the weight")
                }
            }
        }
    }
}
