/// The buckets of each key of a service, in bounded memory.
///
/// A key of which nothing is held and whose buckets are as full as those of a key never seen is forgotten.
struct KeyedBuckets: Sendable {
    private struct Entry: Sendable {
        var name: String
        var buckets: [TokenBucket]
        /// Leases that use the service with this key.
        var held = 0
    }

    private(set) var limits: KeyedLimits
    /// The buckets of a key never seen: filled since they were empty at takeover, changed with all others.
    private var untouched: [TokenBucket]
    private var entries: [Entry] = []
    private var freeEntries: [Int] = []
    private var places: [String: Int] = [:]
    /// Keys by the time from which they can be forgotten; those of which something is held are not among them.
    private var idle = IndexedHeap<Instant>()

    /// Idle keys forgotten at a time, so that no job pays for many.
    static let sweepMax = 4

    init(_ limits: KeyedLimits, at now: Instant) {
        self.limits = limits
        self.untouched = limits.rates.map { TokenBucket($0, at: now) }
    }

    /// Keys that are remembered: `keysMax` at most, and those that are held since before a takeover or a lower bound.
    var count: Int { self.places.count }
    /// Leases that use the service with a key.
    var held: Int { self.entries.reduce(0) { $0 + $1.held } }

    /// - Parameter needsPlace: whether the concurrency counts: tokens alone are taken without.
    func blocker(weight: Int, key: String, needsPlace: Bool, at now: Instant) -> ServiceBlocker? {
        let place = self.places[key]
        if place == nil, self.count >= self.limits.keysMax {
            guard let first = self.idle.first else { return ServiceBlocker(.keys) }
            if first.rank > now { return ServiceBlocker(.keys, until: first.rank) }
        }
        let held = place.map { self.entries[$0].held } ?? 0
        if needsPlace, held >= self.limits.concurrency ?? .max { return ServiceBlocker(.keyConcurrency) }
        let buckets = place.map { self.entries[$0].buckets } ?? self.untouched
        if buckets.contains(where: { $0.limit.burst < weight }) { return ServiceBlocker(.weight) }
        guard let ready = buckets.map({ $0.ready(weight, at: now) }).max(), ready > now else { return nil }
        return ServiceBlocker(.keyTokens, until: ready)
    }

    /// The level of the bucket that has least for this key; nil if the keys have no rates.
    func level(of key: String, at now: Instant) -> Int? {
        let buckets = self.places[key].map { self.entries[$0].buckets } ?? self.untouched
        return buckets.map { $0.level(at: now) }.min()
    }

    mutating func take(_ weight: Int, key: String, at now: Instant) {
        self.forgetIdle(at: now)
        let place = self.place(of: key)
        for index in self.entries[place].buckets.indices { self.entries[place].buckets[index].take(weight, at: now) }
        self.rank(place)
    }

    mutating func hold(_ key: String) {
        let place = self.place(of: key)
        self.entries[place].held += 1
        self.rank(place)
    }

    mutating func release(_ key: String, at now: Instant) {
        guard let place = self.places[key] else { preconditionFailure("a key is known while it is held") }
        precondition(self.entries[place].held > 0, "what was held is released")
        self.entries[place].held -= 1
        self.rank(place)
        self.forgetIdle(at: now)
    }

    /// Has other limits in force; see ``ServiceGate/change(_:at:)``.
    mutating func change(_ limits: KeyedLimits, at now: Instant) {
        self.limits = limits
        self.untouched = ServiceGate.changed(self.untouched, to: limits.rates, at: now)
        for place in self.places.values {
            self.entries[place].buckets = ServiceGate.changed(self.entries[place].buckets, to: limits.rates, at: now)
            self.rank(place)
        }
    }

    private mutating func place(of key: String) -> Int {
        if let place = self.places[key] { return place }
        let entry = Entry(name: key, buckets: self.untouched)
        let place = self.freeEntries.popLast() ?? self.entries.count
        if place == self.entries.count { self.entries.append(entry) } else { self.entries[place] = entry }
        self.places[key] = place
        return place
    }

    /// Puts a key where its state says: held, or idle from some time on.
    private mutating func rank(_ place: Int) {
        guard self.entries[place].held == 0 else { return self.idle.remove(place) }
        self.idle.update(place, rank: self.forgettableAt(place))
    }

    /// When this key's buckets and those of a key never seen are both full; then they cannot be told apart.
    private func forgettableAt(_ place: Int) -> Instant {
        self.entries[place].buckets.map(\.fullAt).max() ?? Instant(nanoseconds: 0)
    }

    private mutating func forgetIdle(at now: Instant) {
        for _ in 0..<Self.sweepMax {
            guard let first = self.idle.first, first.rank <= now else { return }
            self.idle.remove(first.id)
            self.places[self.entries[first.id].name] = nil
            self.entries[first.id] = Entry(name: "", buckets: [])
            self.freeEntries.append(first.id)
        }
    }

    func checkInvariants() {
        self.idle.checkInvariants()
        precondition(self.places.count + self.freeEntries.count == self.entries.count, "no key is lost")
        let held = self.entries.count { $0.held > 0 }
        precondition(self.idle.count == self.places.count - held, "a key is held or idle")
        for (name, place) in self.places {
            precondition(self.entries[place].name == name, "a key is where it is looked for")
            precondition(self.entries[place].held >= 0, "nothing is released twice")
            for bucket in self.entries[place].buckets { bucket.checkInvariants() }
            let rank = self.idle.rank(of: place)
            precondition(rank == (self.entries[place].held > 0 ? nil : self.forgettableAt(place)), "idle since then")
        }
    }
}
