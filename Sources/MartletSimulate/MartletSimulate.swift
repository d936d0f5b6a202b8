import MartletSimulation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Runs seeds of the simulation and says what it met: `martlet-simulate [--seeds N] [--first SEED] [--trace]`.
@main
struct MartletSimulate {
    static func main() {
        var seeds = 500
        var first: UInt64 = 1
        var showsTraces = false
        var arguments = CommandLine.arguments.dropFirst().makeIterator()
        while let argument = arguments.next() {
            switch (argument, argument == "--trace" ? nil : arguments.next()) {
            case ("--seeds", let value?): seeds = Int(value) ?? 0
            case ("--first", let value?): first = UInt64(value) ?? 0
            case ("--trace", nil): showsTraces = true
            default: usage()
            }
        }
        guard seeds > 0, first > 0 else { usage() }
        run(seeds: seeds, first: first, showsTraces: showsTraces)
    }

    static func usage() -> Never {
        print("martlet-simulate: use --seeds N, --first SEED (both from 1), --trace")
        exit(2)
    }

    static func run(seeds: Int, first: UInt64, showsTraces: Bool) {
        let clock = ContinuousClock()
        let start = clock.now
        var events: [Witness.Event: Int] = [:]
        var totals = (steps: UInt64(0), jobs: 0, acknowledged: 0, virtual: Duration.zero)
        for seed in first..<first + UInt64(seeds) {
            let outcome = Scenario(seed: seed).run()
            if showsTraces { print("seed \(seed): \(outcome.steps) steps, trace \(outcome.traceHash)") }
            if let violation = outcome.violation {
                print("seed \(seed): \(violation)")
                print("to see it again: martlet-simulate --first \(seed) --seeds 1")
                exit(1)
            }
            totals.steps += outcome.steps
            totals.jobs += outcome.jobs
            totals.acknowledged += outcome.acknowledged
            totals.virtual += outcome.virtualTime
            for (event, count) in outcome.events { events[event, default: 0] += count }
        }
        let elapsed = (clock.now - start) / .seconds(1)
        print("\(seeds) seeds, none broke a promise: \(tenths(Double(seeds) / elapsed)) seeds a second")
        print("\(totals.jobs) jobs, \(totals.acknowledged) acknowledged; \(totals.steps) steps;", terminator: " ")
        print("\(tenths((totals.virtual / .seconds(1)) / elapsed)) virtual seconds a second")
        for event in Witness.Event.allCases {
            print(
                "  \(String(repeating: " ", count: 20 - event.rawValue.count))\(event.rawValue)  \(events[event] ?? 0)")
        }
    }

    static func tenths(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }
}
