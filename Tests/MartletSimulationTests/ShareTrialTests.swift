import MartletSimulation
import Testing

@Suite struct ShareTrialTests {
    /// Whatever comes and goes: what groups with jobs that wait get differs, by their weights, by a turn of each at most.
    @Test(arguments: 1...100 as ClosedRange<UInt64>)
    func groupsGetTheirSharesByWeight(seed: UInt64) {
        #expect(ShareTrial.run(seed: seed) == nil)
    }
}
