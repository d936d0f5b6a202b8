import MartletCore
import Testing

@Suite struct WorkflowShapeTests {
    private func shape(_ parents: [[Int]], names: [String]? = nil) -> WorkflowShape {
        WorkflowShape(
            members: parents.enumerated().map { place, parents in
                WorkflowShape.Member(
                    name: names?[place] ?? "j\(place)", parents: parents.map { WorkflowShape.Dependency(parent: $0) })
            })
    }

    @Test func anyGraphWithoutACycleIsAWorkflow() {
        #expect(self.shape([[]]).problem == nil)
        #expect(self.shape([[], [0], [0], [1, 2]]).problem == nil)
        // Parents may come behind their children.
        #expect(self.shape([[2], [0, 2], []]).problem == nil)
    }

    @Test func aCycleIsNamed() {
        #expect(self.shape([[0]]).problem == "\"j0\" waits for itself")
        #expect(
            self.shape([[], [3, 0], [1], [2]]).problem
                == #"the workflow has a cycle: "j1" after "j3" after "j2" after "j1""#)
        #expect(self.shape([[1], [0], [1]]).problem?.contains("cycle") == true)
    }

    @Test func unknownParentsAndNamesTwiceAreRefused() {
        #expect(self.shape([[], [7]]).problem == "\"j1\" waits for job 7 of the workflow, which has no such job")
        #expect(self.shape([[], [-1]]).problem != nil)
        #expect(self.shape([[], [0, 0]]).problem == "\"j1\" waits for \"j0\" twice")
        #expect(self.shape([[], []], names: ["a", "a"]).problem == "two jobs of the workflow are called \"a\"")
        #expect(self.shape([[]], names: ["no good"]).problem != nil)
    }

    @Test func itIsBounded() {
        #expect(self.shape([]).problem != nil)
        #expect(self.shape(Array(repeating: [], count: 10_000)).problem == nil)
        #expect(self.shape(Array(repeating: [], count: 10_001)).problem != nil)
        let wide = Array(repeating: [] as [Int], count: 400) + Array(repeating: Array(0..<400), count: 251)
        #expect(self.shape(wide).problem == "a workflow has at most 100000 dependencies, not 100400")
    }

    @Test func aLongChainIsCheckedInLinearTime() {
        // Backwards, so that a search that follows parents would be 10,000 deep.
        let chain = (0..<10_000).map { $0 == 9_999 ? [] : [$0 + 1] }
        #expect(self.shape(chain).problem == nil)
        let ring = (0..<10_000).map { [($0 + 1) % 10_000] }
        #expect(self.shape(ring).problem?.contains("…") == true)
    }

    @Test func dependenciesAreMetByTheEndsTheyWaitFor() {
        let ends = [JobState.succeeded, .dead, .cancelled, .expired]
        #expect(ends.map { DependencyKind.onSuccess.isMet(by: $0) } == [true, false, false, false])
        #expect(ends.map { DependencyKind.onEnd.isMet(by: $0) } == [true, true, true, true])
        #expect(ends.map { DependencyKind.onFailure.isMet(by: $0) } == [false, true, true, true])
    }
}
