import MartletCore

extension ClusterConfiguration {
    /// The keys of `cluster.json`, by the path of the object that holds them; `*` stands for a name of the user's or a list's element.
    package static let keys: [String: [String]] = [
        "": [
            "$schema", "listen", "connect", "http", "tokenFile", "store", "limits", "leases", "dispatch", "retain",
            "queues", "jobTypes", "services", "schedules", "worker",
        ],
        "listen": ["clients", "nodes"],
        "connect": ["clients", "nodes"],
        "http": httpKeys,
        "http.tokens": httpTokenKeys,
        "store": ["kind", "path"],
        "limits": [
            "payloadMax", "nodesMax", "payloadCache", "pendingSubmitBytesMax", "submitJobsMax", "lanesMax",
        ],
        "leases": ["heartbeatInterval", "silentAfter", "duration"],
        "dispatch": ["stealing"],
        "retain": ["succeeded", "dead", "cancelled", "expired", "bytesMax"],
        "queues.*.retain": ["succeeded", "dead", "cancelled", "expired", "bytesMax"],
        "queues.*": ["leaseDuration", "retainSucceeded", "retain", "concurrency", "keyConcurrency", "groups"],
        "jobTypes.*": ["timeout", "retry", "concurrency", "services"],
        "jobTypes.*.retry": ["maxAttempts", "initialBackoff", "maxBackoff", "jitter"],
        "services.*": serviceKeys,
        "services.*.limits.*": rateKeys,
        "services.*.perKey": perKeyKeys,
        "services.*.perKey.limits.*": rateKeys,
        "services.*.adaptive": adaptiveKeys,
        "services.*.breaker": breakerKeys,
        "schedules.*": scheduleKeys,
        "schedules.*.retry": ["maxAttempts", "initialBackoff", "maxBackoff", "jitter"],
        "worker": ["slots", "prefetchMax", "drainTimeout"],
    ]

    /// Reads the text of a `cluster.json`.
    ///
    /// - Parameters:
    ///   - file: what errors call the file.
    ///   - hasTokenInEnvironment: whether `MARTLET_TOKEN` stands in for `tokenFile`.
    /// - Throws: the first thing that is wrong, with its place.
    package init(
        json source: [UInt8], file: String = "cluster.json", hasTokenInEnvironment: Bool = false
    ) throws(ConfigurationError) {
        let root: JSONValue
        do {
            root = try JSONReader.value(of: source)
        } catch {
            throw ConfigurationError(
                cause: "not valid JSON: \(error.message)", fix: "correct the file there", file: file,
                position: TextPosition(offset: error.offset, in: source))
        }
        do {
            try self.init(root: root, hasTokenInEnvironment: hasTokenInEnvironment)
        } catch {
            var placed = error
            placed.file = file
            placed.position = TextPosition(offset: root.offset(ofKey: error.path), in: source)
            throw placed
        }
    }

    private init(root: JSONValue, hasTokenInEnvironment: Bool) throws(ConfigurationError) {
        let fields = try ObjectFields(root, path: "", known: Self.keys[""])
        let listen = try Self.listen(fields)
        let retention = try Self.retention(fields, over: .standard)
        try self.init(
            listen: listen,
            connect: try Self.connect(fields, listen: listen),
            http: try Self.http(fields),
            tokenFile: try fields.string("tokenFile"),
            store: try Self.store(fields),
            limits: try Self.limits(fields),
            leases: try Self.leases(fields),
            dispatch: try Self.dispatch(fields),
            retention: retention,
            queues: try Self.named("queues", in: fields) { fields throws(ConfigurationError) in
                try Self.queue(fields, retention: retention)
            },
            jobTypes: try Self.named("jobTypes", in: fields, Self.jobType), services: try Self.services(fields),
            schedules: try Self.schedules(fields), worker: try Self.worker(fields),
            hasTokenInEnvironment: hasTokenInEnvironment)
    }

    private static func listen(_ root: ObjectFields) throws(ConfigurationError) -> Listen {
        guard let fields = try root.object("listen", known: Self.keys["listen"]) else { return .standard }
        return try Listen(
            clients: try fields.address("clients") ?? Listen.standard.clients,
            nodes: try fields.address("nodes") ?? Listen.standard.nodes)
    }

    private static func connect(_ root: ObjectFields, listen: Listen) throws(ConfigurationError) -> Connect? {
        guard let fields = try root.object("connect", known: Self.keys["connect"]) else { return nil }
        return Connect(
            clients: try fields.address("clients") ?? listen.clients.dialable,
            nodes: try fields.address("nodes") ?? listen.nodes.dialable)
    }

    private static func store(_ root: ObjectFields) throws(ConfigurationError) -> Store {
        guard let fields = try root.object("store", known: Self.keys["store"]) else { return .standard }
        let path = try fields.string("path")
        switch try fields.string("kind") ?? "sqlite" {
        case "sqlite":
            let path = path ?? Store.defaultPath
            guard !path.isEmpty else {
                throw ConfigurationError(
                    path: "store.path", cause: "is empty", fix: "name the database file or leave the key out")
            }
            return .sqlite(path: path)
        case "memory":
            guard path == nil else {
                throw ConfigurationError(
                    path: "store.path", cause: "a store of kind \"memory\" has no file",
                    fix: "remove the path, or set \"kind\" to \"sqlite\"")
            }
            return .memory
        case let kind:
            let nearest = NearestWord.to(kind, among: Store.kinds)
            throw ConfigurationError(
                path: "store.kind", cause: "unknown kind \"\(kind)\"",
                fix: nearest.map { "did you mean \"\($0)\"?" } ?? "use \"sqlite\" or \"memory\"")
        }
    }

    private static func limits(_ root: ObjectFields) throws(ConfigurationError) -> Limits {
        guard let fields = try root.object("limits", known: Self.keys["limits"]) else { return .standard }
        let standard = Limits.standard
        return try Limits(
            payloadMax: try fields.size("payloadMax") ?? standard.payloadMax,
            nodesMax: try fields.count("nodesMax") ?? standard.nodesMax,
            payloadCache: try fields.size("payloadCache") ?? standard.payloadCache,
            pendingSubmitBytesMax: try fields.size("pendingSubmitBytesMax") ?? standard.pendingSubmitBytesMax,
            submitJobsMax: try fields.count("submitJobsMax") ?? standard.submitJobsMax,
            lanesMax: try fields.count("lanesMax") ?? standard.lanesMax)
    }

    private static func leases(_ root: ObjectFields) throws(ConfigurationError) -> Leases {
        guard let fields = try root.object("leases", known: Self.keys["leases"]) else { return .standard }
        return try Leases(
            heartbeatInterval: try fields.duration("heartbeatInterval") ?? Leases.standard.heartbeatInterval,
            silentAfter: try fields.duration("silentAfter") ?? Leases.standard.silentAfter,
            duration: try fields.duration("duration") ?? Leases.standard.duration)
    }

    private static func dispatch(_ root: ObjectFields) throws(ConfigurationError) -> Dispatch {
        guard let fields = try root.object("dispatch", known: Self.keys["dispatch"]) else { return .standard }
        return Dispatch(stealing: try fields.boolean("stealing") ?? Dispatch.standard.stealing)
    }

    private static func named<T>(
        _ key: String, in root: ObjectFields, _ make: (ObjectFields) throws(ConfigurationError) -> T
    ) throws(ConfigurationError) -> [String: T] {
        var result: [String: T] = [:]
        guard let fields = try root.object(key, known: nil) else { return result }
        for (name, value) in fields.members {
            result[name] = try make(
                try ObjectFields(value, path: fields.path(name), known: Self.keys["\(key).*"]))
        }
        return result
    }

    private static func queue(
        _ fields: ObjectFields, retention base: Retention
    ) throws(ConfigurationError) -> Queue {
        let leaseDuration = try fields.duration("leaseDuration")
        var base = base
        if let succeeded = try fields.duration("retainSucceeded") {
            try Check.duration(succeeded, in: .zero ... .seconds(365 * 86400), path: fields.path("retainSucceeded"))
            base = Retention(
                succeeded: succeeded, dead: base.dead, cancelled: base.cancelled, expired: base.expired,
                bytesMax: base.bytesMax)
        }
        let retention = try Self.retention(fields, over: base)
        let concurrency = try fields.count("concurrency")
        let keyConcurrency = try fields.count("keyConcurrency")
        let groups = try Self.groups(fields)
        return try fields.relative { () throws(ConfigurationError) in
            try Queue(
                leaseDuration: leaseDuration, retention: retention, concurrency: concurrency,
                keyConcurrency: keyConcurrency, groups: groups)
        }
    }

    private static func groups(_ queue: ObjectFields) throws(ConfigurationError) -> [String: Int] {
        guard let fields = try queue.object("groups", known: nil) else { return [:] }
        var groups: [String: Int] = [:]
        for (name, _) in fields.members { groups[name] = try fields.count(name) }
        return groups
    }

    private static func jobType(_ fields: ObjectFields) throws(ConfigurationError) -> JobType {
        let timeout = try fields.duration("timeout") ?? JobOptions.defaultTimeout
        let retry = try Self.retry(fields)
        let concurrency = try fields.count("concurrency")
        let services = try Self.uses(fields)
        return try fields.relative { () throws(ConfigurationError) in
            try JobType(timeout: timeout, retry: retry, concurrency: concurrency, services: services)
        }
    }

    static func retry(_ jobType: ObjectFields) throws(ConfigurationError) -> RetryPolicy {
        guard let fields = try jobType.object("retry", known: Self.keys["jobTypes.*.retry"]) else { return .standard }
        let standard = RetryPolicy.standard
        let maxAttempts = try fields.count("maxAttempts") ?? standard.maxAttempts
        let initialBackoff = try fields.duration("initialBackoff") ?? standard.initialBackoff
        let maxBackoff = try fields.duration("maxBackoff") ?? standard.maxBackoff
        let jitter = try fields.share("jitter") ?? standard.jitter
        if let problem = RetryPolicy.problem(
            maxAttempts: maxAttempts, initialBackoff: initialBackoff, maxBackoff: maxBackoff, jitter: jitter)
        {
            // The problem begins with the field's name.
            let key = problem.prefix { $0 != " " }
            throw ConfigurationError(
                path: fields.path(String(key)), cause: String(problem.dropFirst(key.count + 1)),
                fix: "the values in force are maxAttempts \(maxAttempts), initialBackoff "
                    + "\(Quantity.text(initialBackoff)), maxBackoff \(Quantity.text(maxBackoff)), jitter \(jitter)")
        }
        return RetryPolicy(
            maxAttempts: maxAttempts, initialBackoff: initialBackoff, maxBackoff: maxBackoff, jitter: jitter)
    }

    private static func worker(_ root: ObjectFields) throws(ConfigurationError) -> Worker {
        guard let fields = try root.object("worker", known: Self.keys["worker"]) else { return .standard }
        let slots = try fields.count("slots") ?? Worker.standard.slots
        let prefetchMax = try fields.count("prefetchMax") ?? Worker.standard.prefetchMax
        let drainTimeout = try fields.duration("drainTimeout") ?? Worker.standard.drainTimeout
        return try fields.relative { () throws(ConfigurationError) in
            try Worker(slots: slots, prefetchMax: prefetchMax, drainTimeout: drainTimeout)
        }
    }
}

extension JSONValue {
    /// Where the key at `path` stands, or the nearest one around it that is there. Names may hold dots themselves.
    fileprivate func offset(ofKey path: String, else outer: Int? = nil) -> Int {
        let fallback = outer ?? self.range.lowerBound
        if case .array(let elements) = self.content {
            let place = path.prefix { $0 != "." }
            guard let index = Int(place), elements.indices.contains(index) else { return fallback }
            let element = elements[index]
            return element.offset(
                ofKey: String(path.dropFirst(place.count + 1)), else: element.range.lowerBound)
        }
        guard !path.isEmpty, case .object(let members) = self.content else { return fallback }
        for member in members {
            if member.name == path { return member.nameOffset }
            if path.hasPrefix("\(member.name).") {
                let rest = String(path.dropFirst(member.name.count + 1))
                return member.value.offset(ofKey: rest, else: member.nameOffset)
            }
        }
        return fallback
    }
}
