import MartletCore

extension ClusterConfiguration {
    /// Reads a `retain` object; what it leaves out is as in `base`.
    static func retention(
        _ parent: ObjectFields, over base: Retention
    ) throws(ConfigurationError) -> Retention {
        guard let fields = try parent.object("retain", known: Self.keys["retain"]) else { return base }
        return Retention(
            succeeded: try Self.time("succeeded", in: fields, else: base.succeeded),
            dead: try Self.time("dead", in: fields, else: base.dead),
            cancelled: try Self.time("cancelled", in: fields, else: base.cancelled),
            expired: try Self.time("expired", in: fields, else: base.expired),
            bytesMax: try Self.bytes("bytesMax", in: fields, else: base.bytesMax))
    }

    /// A size, or nil for "unlimited".
    private static func bytes(
        _ key: String, in fields: ObjectFields, else fallback: Int?
    ) throws(ConfigurationError) -> Int? {
        guard let value = fields.value(key) else { return fallback }
        if case .string("unlimited") = value.content { return nil }
        guard let size = try fields.size(key) else { return fallback }
        try Check.size(size, in: 1 << 20...1 << 40, path: fields.path(key))
        return size
    }

    /// A duration, or nil for "forever".
    private static func time(
        _ key: String, in fields: ObjectFields, else fallback: Duration?
    ) throws(ConfigurationError) -> Duration? {
        guard let value = fields.value(key) else { return fallback }
        if case .string("forever") = value.content { return nil }
        guard let duration = try fields.duration(key) else { return fallback }
        try Check.duration(duration, in: .zero ... .seconds(3650 * 86400), path: fields.path(key))
        return duration
    }
}
