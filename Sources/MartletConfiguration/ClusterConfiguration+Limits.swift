import MartletCore

extension ClusterConfiguration {
    /// What the coordinator holds at most.
    package struct Limits: Hashable, Sendable {
        /// Bytes of one job's payload.
        package let payloadMax: Int
        /// Nodes registered at once.
        package let nodesMax: Int
        /// Bytes of payloads of waiting jobs kept in memory; the rest is read back from the store.
        package let payloadCache: Int
        /// Bytes of submits that wait for their commit; over it submitters are told to retry.
        package let pendingSubmitBytesMax: Int
        /// Jobs in one submit.
        package let submitJobsMax: Int
        /// Combinations of queue, type and priority ever used.
        package let lanesMax: Int

        package static let standard = Limits()

        private init() {
            self.payloadMax = 1 << 20
            self.nodesMax = 1024
            self.payloadCache = 64 << 20
            self.pendingSubmitBytesMax = 64 << 20
            self.submitJobsMax = 10_000
            self.lanesMax = 10_000
        }

        /// - Throws: the first bound or relation that does not hold.
        package init(
            payloadMax: Int = Self.standard.payloadMax, nodesMax: Int = Self.standard.nodesMax,
            payloadCache: Int = Self.standard.payloadCache,
            pendingSubmitBytesMax: Int = Self.standard.pendingSubmitBytesMax,
            submitJobsMax: Int = Self.standard.submitJobsMax, lanesMax: Int = Self.standard.lanesMax
        ) throws(ConfigurationError) {
            // A message holds 8 MiB, so that a payload of half of it fits with everything around it.
            try Check.size(payloadMax, in: 1024...4 << 20, path: "limits.payloadMax")
            try Check.count(nodesMax, in: 1...16_384, path: "limits.nodesMax")
            try Check.size(payloadCache, in: 1 << 20...1 << 40, path: "limits.payloadCache")
            try Check.size(pendingSubmitBytesMax, in: 1 << 20...1 << 36, path: "limits.pendingSubmitBytesMax")
            try Check.count(submitJobsMax, in: 1...100_000, path: "limits.submitJobsMax")
            try Check.count(lanesMax, in: 1...1_000_000, path: "limits.lanesMax")
            for (key, bytes) in [("payloadCache", payloadCache), ("pendingSubmitBytesMax", pendingSubmitBytesMax)]
            where bytes < payloadMax {
                throw ConfigurationError(
                    path: "limits.\(key)",
                    cause: "\(Quantity.text(bytes: bytes)) cannot hold one payload of "
                        + Quantity.text(bytes: payloadMax),
                    fix: "make it at least limits.payloadMax")
            }
            self.payloadMax = payloadMax
            self.nodesMax = nodesMax
            self.payloadCache = payloadCache
            self.pendingSubmitBytesMax = pendingSubmitBytesMax
            self.submitJobsMax = submitJobsMax
            self.lanesMax = lanesMax
        }
    }

    /// How soon the jobs of a lost node run elsewhere. `heartbeatInterval < silentAfter < duration`.
    package struct Leases: Hashable, Sendable {
        /// How often a node says that it is alive.
        package let heartbeatInterval: Duration
        /// A node silent for this long gets no more work.
        package let silentAfter: Duration
        /// A node silent for this long loses its jobs to other nodes.
        package let duration: Duration

        package static let standard = Leases()

        private init() {
            self.heartbeatInterval = .seconds(1)
            self.silentAfter = .seconds(5)
            self.duration = .seconds(15)
        }

        /// - Throws: the first bound or relation that does not hold.
        package init(
            heartbeatInterval: Duration = Self.standard.heartbeatInterval,
            silentAfter: Duration = Self.standard.silentAfter, duration: Duration = Self.standard.duration
        ) throws(ConfigurationError) {
            try Check.duration(
                heartbeatInterval, in: .milliseconds(50) ... .seconds(60), path: "leases.heartbeatInterval")
            if silentAfter <= heartbeatInterval {
                throw ConfigurationError(
                    path: "leases.silentAfter",
                    cause: "\(Quantity.text(silentAfter)) is not longer than leases.heartbeatInterval "
                        + "(\(Quantity.text(heartbeatInterval)))",
                    fix: "make it several heartbeats long, for example \(Quantity.text(heartbeatInterval * 5))")
            }
            try Self.checkDuration(duration, silentAfter: silentAfter, path: "leases.duration")
            self.heartbeatInterval = heartbeatInterval
            self.silentAfter = silentAfter
            self.duration = duration
        }

        static func checkDuration(
            _ duration: Duration, silentAfter: Duration, path: String
        ) throws(ConfigurationError) {
            if duration <= silentAfter {
                throw ConfigurationError(
                    path: path,
                    cause: "\(Quantity.text(duration)) is not longer than leases.silentAfter "
                        + "(\(Quantity.text(silentAfter)))",
                    fix: "make it longer, for example \(Quantity.text(silentAfter * 3))")
            }
            try Check.duration(duration, in: .zero ... .seconds(3600), path: path)
        }
    }
}

/// Bounds of single values.
enum Check {
    static func count(_ value: Int, in range: ClosedRange<Int>, path: String) throws(ConfigurationError) {
        guard !range.contains(value) else { return }
        throw ConfigurationError(
            path: path, cause: "\(value) is out of range",
            fix: "use \(range.lowerBound) to \(range.upperBound)")
    }

    static func concurrency(_ value: Int?, path: String) throws(ConfigurationError) {
        if let value { try Self.count(value, in: 1...1_000_000, path: path) }
    }

    static func size(_ value: Int, in range: ClosedRange<Int>, path: String) throws(ConfigurationError) {
        guard !range.contains(value) else { return }
        throw ConfigurationError(
            path: path, cause: "\(Quantity.text(bytes: value)) is out of range",
            fix: "use \(Quantity.text(bytes: range.lowerBound)) to \(Quantity.text(bytes: range.upperBound))")
    }

    static func duration(
        _ value: Duration, in range: ClosedRange<Duration>, path: String
    ) throws(ConfigurationError) {
        guard !range.contains(value) else { return }
        throw ConfigurationError(
            path: path, cause: "\(Quantity.text(value)) is out of range",
            fix: "use \(Quantity.text(range.lowerBound)) to \(Quantity.text(range.upperBound))")
    }
}
