import Foundation
import MartletVirtualTime

/// Jobs by how long each takes at speed 1, in the order of their submission.
struct Workload {
    let durations: [Duration]

    var work: Double { self.durations.reduce(0) { $0 + $1 / .seconds(1) } }
    var longest: Double { (self.durations.max() ?? .zero) / .seconds(1) }

    /// - Parameter seconds: of work in all.
    init(_ name: String, seconds: Double) {
        var random = SeededRandom(seed: 20_26)
        switch name {
        case "mixed":
            // One in a hundred takes a second, the others a millisecond, in no order.
            self.durations = Self.fill(seconds) { random.below(100) == 0 ? .seconds(1) : .milliseconds(1) }
        case "bursts":
            // The same two kinds in the same proportion, as two producers send them: short ones, long ones, and so again.
            let short = [Duration](repeating: .milliseconds(1), count: Int(seconds * 10 / 2))
            let long = [Duration](repeating: .seconds(1), count: Int(seconds * 0.99 / 2))
            self.durations = short + long + short + long
        case "tail":
            // Pareto with exponent 1.1 from 1 ms to 1 s: most are short, most of the work is in the long ones.
            self.durations = Self.fill(seconds) {
                Duration.milliseconds(1) * min(1000, 1 / Self.root(1 - random.unit()))
            }
        case "short":
            self.durations = [Duration](repeating: .milliseconds(1), count: Int(seconds * 1000))
        case "even":
            self.durations = [Duration](repeating: .milliseconds(10), count: Int(seconds * 100))
        default: fatalError("there is no workload \"\(name)\"")
        }
    }

    private static func fill(_ seconds: Double, _ next: () -> Duration) -> [Duration] {
        var durations: [Duration] = []
        var sum = Duration.zero
        while sum < .seconds(1) * seconds {
            durations.append(next())
            sum += durations[durations.count - 1]
        }
        return durations
    }

    /// The share to the power of 1 / 1.1.
    private static func root(_ share: Double) -> Double { pow(share, 1 / 1.1) }

    /// The soonest that nodes could be done with `work` if it could be cut at will, each at its speed from its arrival on.
    static func ideal(work: Double, rates: [(rate: Double, from: Double)]) -> Double {
        let sorted = rates.sorted { $0.from < $1.from }
        var (rate, done, at) = (0.0, 0.0, 0.0)
        for node in sorted {
            if rate > 0, done + rate * (node.from - at) >= work { break }
            done += rate * (node.from - at)
            at = node.from
            rate += node.rate
        }
        return at + (work - done) / rate
    }
}
