/// Limits of a service as bytes, for the store and the wire: little-endian, durations in microseconds.
extension ServiceLimits {
    private static let hasConcurrency: UInt8 = 1
    private static let hasKeyed: UInt8 = 2
    private static let isAdaptive: UInt8 = 4
    private static let hasBreaker: UInt8 = 8

    package var encoded: [UInt8] {
        var bytes = OptionWriter()
        bytes.append(
            (self.concurrency == nil ? 0 : Self.hasConcurrency) | (self.perKey == nil ? 0 : Self.hasKeyed)
                | (self.adaptive == nil ? 0 : Self.isAdaptive) | (self.breaker == nil ? 0 : Self.hasBreaker))
        bytes.append(self.rates)
        if let concurrency { bytes.append(UInt32(clamping: concurrency)) }
        if let perKey {
            bytes.append(perKey.rates)
            // None is no limit: a limit is 1 at least.
            bytes.append(UInt32(clamping: perKey.concurrency ?? 0))
            bytes.append(UInt32(clamping: perKey.keysMax))
        }
        if let adaptive {
            for share in [adaptive.decrease, adaptive.floor, adaptive.step] { bytes.append(UInt16(clamping: share)) }
            for duration in [adaptive.stepInterval, adaptive.closedFor] { bytes.append(duration.wholeMicroseconds) }
        }
        if let breaker {
            bytes.append(UInt16(clamping: breaker.failuresToOpen))
            bytes.append(breaker.openFor.wholeMicroseconds)
        }
        return bytes.all
    }

    /// Reads what ``encoded`` wrote; whether the limits make sense, ``problem(weightMax:)`` says.
    ///
    /// - Returns: nil if something is cut short, or more than is ever written.
    package init?(encoded bytes: UnsafeRawBufferPointer) {
        var reader = OptionReader(bytes)
        guard let flags: UInt8 = reader.next(), let rates = reader.nextRates() else { return nil }
        var concurrency: Int?
        if flags & Self.hasConcurrency != 0 {
            guard let number: UInt32 = reader.next() else { return nil }
            concurrency = Int(number)
        }
        var perKey: KeyedLimits?
        if flags & Self.hasKeyed != 0 {
            guard let rates = reader.nextRates(), let most: UInt32 = reader.next(), let keys: UInt32 = reader.next()
            else { return nil }
            perKey = KeyedLimits(rates: rates, concurrency: most == 0 ? nil : Int(most), keysMax: Int(keys))
        }
        var adaptive: AdaptiveLimits?
        if flags & Self.isAdaptive != 0 {
            guard let decrease: UInt16 = reader.next(), let floor: UInt16 = reader.next(),
                let step: UInt16 = reader.next(), let interval = reader.nextDuration(),
                let closedFor = reader.nextDuration()
            else { return nil }
            adaptive = AdaptiveLimits(
                decrease: Int(decrease), floor: Int(floor), step: Int(step), stepInterval: interval,
                closedFor: closedFor)
        }
        var breaker: BreakerLimits?
        if flags & Self.hasBreaker != 0 {
            guard let failures: UInt16 = reader.next(), let openFor = reader.nextDuration() else { return nil }
            breaker = BreakerLimits(failuresToOpen: Int(failures), openFor: openFor)
        }
        self.init(rates: rates, concurrency: concurrency, perKey: perKey, adaptive: adaptive, breaker: breaker)
    }
}

extension OptionWriter {
    fileprivate mutating func append(_ rates: [RateLimit]) {
        let rates = rates.prefix(ServiceLimits.ratesMax)
        self.append(UInt8(rates.count))
        for rate in rates {
            self.append(UInt32(clamping: rate.tokens))
            self.append(rate.period.wholeMicroseconds)
            self.append(UInt32(clamping: rate.burst))
        }
    }
}

extension OptionReader {
    fileprivate mutating func nextRates() -> [RateLimit]? {
        guard let count: UInt8 = self.next(), count <= ServiceLimits.ratesMax else { return nil }
        var rates: [RateLimit] = []
        for _ in 0..<count {
            guard let tokens: UInt32 = self.next(), let period = self.nextDuration(), let burst: UInt32 = self.next()
            else { return nil }
            rates.append(RateLimit(tokens: Int(tokens), per: period, burst: Int(burst)))
        }
        return rates
    }
}
