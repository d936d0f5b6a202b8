import MartletCore
import Testing

@Suite struct DequeTests {
    /// Whatever is put in at both ends comes out in that order, wherever the ring begins.
    @Test(arguments: 0..<20) func manyAtOnceAreAppendedBehindTheOthers(taken: Int) {
        var deque = Deque<Int>()
        var expected: [Int] = []
        deque.append(contentsOf: 0..<20)
        expected += 0..<20
        for _ in 0..<taken { #expect(deque.popFirst() == expected.removeFirst()) }
        deque.append(contentsOf: 20..<25)
        deque.prepend(-1)
        deque.append(contentsOf: [])
        deque.append(25)
        deque.append(contentsOf: 26..<200)
        expected = [-1] + expected + Array(20..<200)
        #expect((0..<deque.count).map { deque[$0] } == expected)
        while let next = deque.popFirst() { #expect(next == expected.removeFirst()) }
        #expect(expected.isEmpty && deque.isEmpty)
    }
}
