/// A number that is watched: its name, what it means and what sets its series apart.
///
/// Names follow Prometheus: `martlet_<noun>_<measure>_<unit>`, counters end in `_total`, units are seconds and bytes.
package struct Metric: Hashable, Sendable {
    package enum Kind: String, Sendable {
        case counter, gauge, histogram
    }

    /// What whole numbers stand for, so that they are shown in base units.
    package enum Unit: Hashable, Sendable {
        case one
        case nanoseconds

        /// How many make a base unit.
        var perBase: Double {
            switch self {
            case .one: 1
            case .nanoseconds: 1e9
            }
        }
    }

    package let name: String
    package let kind: Kind
    package let unit: Unit
    package let help: String
    /// What the series are told apart by. Values come from bounded sets, never a job's id.
    package let labels: [String]

    init(_ name: String, _ kind: Kind, _ help: String, _ labels: [String] = [], unit: Unit = .one) {
        self.name = name
        self.kind = kind
        self.unit = unit
        self.help = help
        self.labels = labels
    }
}
