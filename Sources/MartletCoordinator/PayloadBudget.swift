package import MartletCore
import Synchronization

/// Counts the bytes of payloads in memory. Exact: a block counts until nothing points into it any more.
package final class PayloadBudget: Sendable {
    /// Over this, waiting jobs keep no body and are read back from the store.
    package let bytesMax: Int
    private let used = Atomic<Int>(0)

    package init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    package var bytes: Int { self.used.load(ordering: .relaxed) }
    package var hasRoom: Bool { self.bytes <= self.bytesMax }
    /// Lanes that nobody serves may use only half, so that they do not crowd out those that move.
    package var hasRoomForUnserved: Bool { self.bytes <= self.bytesMax / 2 }

    /// The same bytes, counted for as long as anything holds a part of them.
    package func counting(_ bytes: Bytes) -> Bytes {
        guard let block = bytes.block else { return bytes }
        return bytes.withUnsafeBytes { Bytes(BudgetedBlock(of: block, bytes: $0, budget: self)) }
    }

    fileprivate func add(_ count: Int) { self.used.add(count, ordering: .relaxed) }
    fileprivate func subtract(_ count: Int) { self.used.subtract(count, ordering: .relaxed) }
}

private final class BudgetedBlock: ByteBlock, @unchecked Sendable {
    private let owner: ByteBlock
    private let budget: PayloadBudget

    init(of owner: ByteBlock, bytes: UnsafeRawBufferPointer, budget: PayloadBudget) {
        self.owner = owner
        self.budget = budget
        budget.add(bytes.count)
        super.init(base: bytes.baseAddress ?? owner.base, count: bytes.count)
    }

    deinit {
        self.budget.subtract(self.count)
    }
}
