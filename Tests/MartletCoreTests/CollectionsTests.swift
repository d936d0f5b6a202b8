import MartletCore
import MartletVirtualTime
import Testing

@Suite struct CollectionsTests {
    @Test(arguments: 1...6 as ClosedRange<UInt64>)
    func dequeBehavesLikeAnArray(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var deque = Deque<Int>()
        var model: [Int] = []
        for step in 0..<1200 {
            switch random.below(step % 600 < 300 ? 4 : 7) {
            case 0, 1:
                deque.append(step)
                model.append(step)
            case 2:
                deque.prepend(step)
                model.insert(step, at: 0)
            case 3 where !model.isEmpty:
                let place = random.below(model.count)
                deque[place] += 1
                model[place] += 1
            default:
                #expect(deque.popFirst() == (model.isEmpty ? nil : model.removeFirst()))
            }
            #expect(deque.count == model.count && deque.first == model.first)
            if random.once(in: 50) { #expect((0..<deque.count).map { deque[$0] } == model) }
        }
    }

    @Test(arguments: 1...6 as ClosedRange<UInt64>)
    func heapHandsOutTheSmallestFirst(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var heap = BinaryHeap<Int>()
        var model: [Int] = []
        for _ in 0..<1000 {
            if random.below(5) < 3 {
                let value = random.below(50)
                heap.insert(value)
                model.append(value)
            } else {
                model.sort()
                #expect(heap.popFirst() == (model.isEmpty ? nil : model.removeFirst()))
            }
            #expect(heap.first == model.min() && heap.count == model.count)
            #expect(heap.unordered.sorted() == model.sorted())
        }
    }

    @Test(arguments: 1...6 as ClosedRange<UInt64>)
    func indexedHeapFollowsChangingRanks(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var heap = IndexedHeap<Int>()
        var model: [Int: Int] = [:]
        for _ in 0..<600 {
            let id = random.below(40)
            if random.below(3) < 2 {
                let rank = random.below(20)
                heap.update(id, rank: rank)
                model[id] = rank
            } else {
                heap.remove(id)
                model[id] = nil
            }
            heap.checkInvariants()
            let first = model.min { ($0.value, $0.key) < ($1.value, $1.key) }
            #expect(heap.first?.id == first?.key && heap.first?.rank == first?.value)
            #expect(heap.count == model.count)
            #expect(heap.contains(id) == (model[id] != nil) && heap.rank(of: id) == model[id])
        }
    }

    @Test func slicesOfBytesStayInsideTheirParent() {
        let bytes = Bytes(copying: [1, 2, 3, 4, 5] as [UInt8])
        let inner = bytes[1..<4]
        #expect(inner.array == [2, 3, 4])
        #expect(inner[2..<3].array == [4])
        #expect(inner[0..<0].isEmpty)
        #expect(inner == Bytes(copying: [2, 3, 4] as [UInt8]))
        #expect(inner != bytes[0..<3])
        #expect(Bytes.empty.count == 0 && Bytes.empty == bytes[5..<5])
    }

    @Test func foreignMemoryIsReleasedOnceAfterTheLastSlice() {
        final class Counter: @unchecked Sendable { var count = 0 }
        let counter = Counter()
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 4, alignment: 1)
        memory.initializeMemory(as: UInt8.self, repeating: 9, count: 4)
        let base = UnsafeRawPointer(memory)
        nonisolated(unsafe) let owned = memory
        var slice: Bytes? = Bytes(
            ForeignBlock(base: base, count: 4) {
                counter.count += 1
                owned.deallocate()
            })[1..<3]
        #expect(slice?.array == [9, 9] && counter.count == 0)
        slice = nil
        #expect(counter.count == 1)
    }
}
