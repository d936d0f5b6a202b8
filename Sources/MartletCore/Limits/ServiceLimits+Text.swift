extension ServiceLimits {
    /// In one line, for people: `100 per 1s, burst 20; 10 at once; each key: 5 per 1s, burst 1`.
    package var text: String {
        let own = Self.texts(self.rates, self.concurrency)
        guard let perKey = self.perKey else { return own.joined(separator: "; ") }
        let ofKey = Self.texts(perKey.rates, perKey.concurrency).joined(separator: "; ")
        return (own + ["each key: \(ofKey)"]).joined(separator: "; ")
    }

    private static func texts(_ rates: [RateLimit], _ concurrency: Int?) -> [String] {
        rates.map(\.text) + (concurrency.map { ["\($0) at once"] } ?? [])
    }
}
