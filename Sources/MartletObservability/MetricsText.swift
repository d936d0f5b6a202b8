package import MartletCore

/// Metrics as Prometheus reads them: text exposition format 0.0.4.
package struct MetricsText: Sendable {
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    package private(set) var text = ""
    private var written: Set<String> = []

    package init() {}

    /// Writes a metric with all of its series; nothing if there are none.
    ///
    /// - Precondition: written once.
    package mutating func write(_ metric: Metric, _ series: [(labels: [String], value: Double)]) {
        guard self.begin(metric, isEmpty: series.isEmpty) else { return }
        for (labels, value) in series { self.line(metric.name, metric.labels, labels, Self.number(value)) }
    }

    package mutating func write(_ metric: Metric, _ series: [(labels: [String], value: UInt64)]) {
        guard self.begin(metric, isEmpty: series.isEmpty) else { return }
        for (labels, value) in series { self.line(metric.name, metric.labels, labels, "\(value)") }
    }

    /// A metric without labels.
    package mutating func write(_ metric: Metric, _ value: Double) { self.write(metric, [([], value)]) }

    package mutating func write(_ metric: Metric, _ value: some BinaryInteger) {
        self.write(metric, [([], UInt64(clamping: value))])
    }

    package mutating func write(_ metric: Metric, _ series: [(labels: [String], value: Histogram)]) {
        guard self.begin(metric, isEmpty: series.isEmpty) else { return }
        let perBase = metric.unit.perBase
        for (labels, histogram) in series {
            var count: UInt64 = 0
            for (bound, more) in zip(histogram.bounds.values, histogram.counts) {
                count &+= more
                let value = Self.number(Double(bound) / perBase)
                self.line("\(metric.name)_bucket", metric.labels + ["le"], labels + [value], "\(count)")
            }
            count = histogram.count
            self.line("\(metric.name)_bucket", metric.labels + ["le"], labels + ["+Inf"], "\(count)")
            self.line("\(metric.name)_sum", metric.labels, labels, Self.number(Double(histogram.sum) / perBase))
            self.line("\(metric.name)_count", metric.labels, labels, "\(count)")
        }
    }

    private mutating func begin(_ metric: Metric, isEmpty: Bool) -> Bool {
        precondition(self.written.insert(metric.name).inserted, "a metric is written once, all of its series together")
        guard !isEmpty else { return false }
        self.text += "# HELP \(metric.name) \(Self.escaped(metric.help, quotes: false))\n"
        self.text += "# TYPE \(metric.name) \(metric.kind.rawValue)\n"
        return true
    }

    private mutating func line(_ name: String, _ names: [String], _ labels: [String], _ value: String) {
        precondition(names.count == labels.count, "each label has a value")
        self.text += name
        if !names.isEmpty {
            let pairs = zip(names, labels).map { "\($0)=\"\(Self.escaped($1, quotes: true))\"" }
            self.text += "{\(pairs.joined(separator: ","))}"
        }
        self.text += " \(value)\n"
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        guard text.utf8.contains(where: { $0 == 0x5C || $0 == 0x0A || $0 == 0x22 }) else { return text }
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
    }
}
