import Foundation
import MartletCore
import MartletObservability
import Testing

@Suite struct MetricsTests {
    @Test func theTextIsAsPrometheusReadsIt() {
        var text = MetricsText()
        text.write(.nodes, [(["li\"ve\\\n"], UInt64(3))])
        text.write(.serviceRateShare, [(["a"], 0.25)])
        var histogram = Histogram(.init([1_000_000_000]))
        histogram.record(500_000_000)
        histogram.record(2_000_000_000)
        text.write(.commitTimes, [([], histogram)])
        #expect(
            text.text == """
                # HELP martlet_nodes Known nodes by status.
                # TYPE martlet_nodes gauge
                martlet_nodes{status="li\\"ve\\\\\\n"} 3
                # HELP martlet_service_rate_ratio Share of the configured rate that is in force.
                # TYPE martlet_service_rate_ratio gauge
                martlet_service_rate_ratio{service="a"} 0.25
                # HELP martlet_commit_seconds How long a commit group took, its sync included.
                # TYPE martlet_commit_seconds histogram
                martlet_commit_seconds_bucket{le="1"} 1
                martlet_commit_seconds_bucket{le="+Inf"} 2
                martlet_commit_seconds_sum 2.5
                martlet_commit_seconds_count 2

                """)
    }

    @Test func namesFollowTheConventions() {
        #expect(Set(Metric.all.map(\.name)).count == Metric.all.count)
        for metric in Metric.all {
            #expect(metric.name.wholeMatch(of: /(martlet|process)_[a-z_]+/) != nil, "\(metric.name)")
            #expect(metric.name.hasSuffix("_total") == (metric.kind == .counter), "\(metric.name)")
            #expect(!metric.help.isEmpty)
            for label in metric.labels { #expect(label.wholeMatch(of: /[a-z]+/) != nil) }
        }
    }

    /// Every metric is explained to those who run a coordinator.
    @Test func everyMetricIsDocumented() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = try String(contentsOf: root.appending(path: "docs/operations.md"), encoding: .utf8)
        for metric in Metric.all { #expect(page.contains("`\(metric.name)`"), "\(metric.name) is not explained") }
    }

    /// What is served is what is named in one place, and nothing else.
    @Test func everyMetricThatIsServedIsKnown() async throws {
        try await HTTPBench.run { bench in
            let answer = try await bench.ask("GET", "/metrics")
            #expect(answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            let known = Dictionary(uniqueKeysWithValues: Metric.all.map { ($0.name, $0.kind.rawValue) })
            var count = 0
            for line in answer.body.split(separator: "\n") where line.hasPrefix("# TYPE ") {
                let parts = line.split(separator: " ").map(String.init)
                #expect(known[parts[2]] == parts[3], "\(line)")
                count += 1
            }
            #expect(count > 20)
        }
    }
}
