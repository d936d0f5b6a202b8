/// Finds what somebody probably meant.
package enum NearestWord {
    /// The word most like `word`, or nil if none is close: at most a third of the letters wrong.
    ///
    /// Ties go to the first of `words`.
    package static func to(_ word: String, among words: some Sequence<String>) -> String? {
        var best: (word: String, distance: Int)?
        let wanted = Array(word.lowercased().unicodeScalars)
        for candidate in words {
            let letters = Array(candidate.lowercased().unicodeScalars)
            let allowed = max(1, max(wanted.count, letters.count) / 3)
            let isLonger = wanted.count >= 3 && candidate.lowercased().hasPrefix(word.lowercased())
            let distance = isLonger ? 1 : Self.distance(wanted, letters)
            if distance <= allowed, distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        return best?.word
    }

    /// Insertions, deletions, substitutions and swaps of neighbours that turn one into the other (the
    /// optimal-string-alignment distance).
    static func distance(_ a: [Unicode.Scalar], _ b: [Unicode.Scalar]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var row = [i + 1]
            for (j, y) in b.enumerated() {
                var cost = min(last[j] + (x == y ? 0 : 1), last[j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, x == b[j - 1], a[i - 1] == y { cost = min(cost, beforeLast[j - 1] + 1) }
                row.append(cost)
            }
            beforeLast = last
            last = row
        }
        return last[b.count]
    }
}
