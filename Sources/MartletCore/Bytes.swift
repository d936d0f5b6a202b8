/// Memory with one owner, read-only from the moment it is shared.
///
/// Subclasses own what `base` points at and free it in `deinit`: ``HeapBlock`` a heap allocation, ``ForeignBlock``
/// anything else, such as a message that a transport received.
open class ByteBlock: @unchecked Sendable {
    package final let base: UnsafeRawPointer
    package final let count: Int

    package init(base: UnsafeRawPointer, count: Int) {
        self.base = base
        self.count = count
    }
}

/// A block on the heap, filled once by its creator.
package final class HeapBlock: ByteBlock, @unchecked Sendable {
    /// Allocates `count` bytes and lets `fill` write them.
    package init(count: Int, fill: (UnsafeMutableRawBufferPointer) -> Void) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(count, 1), alignment: 16)
        fill(UnsafeMutableRawBufferPointer(rebasing: memory[0..<count]))
        super.init(base: UnsafeRawPointer(memory.baseAddress!), count: count)
    }

    /// Takes over `base`, allocated by `UnsafeMutableRawPointer.allocate`, of which `count` bytes are filled.
    package init(adopting base: UnsafeMutableRawPointer, count: Int) {
        super.init(base: UnsafeRawPointer(base), count: count)
    }

    deinit {
        self.base.deallocate()
    }
}

/// Memory that somebody else allocated and knows how to free.
package final class ForeignBlock: ByteBlock, @unchecked Sendable {
    private let release: @Sendable () -> Void

    /// - Parameter release: frees the memory; called once, on whatever thread lets go last.
    package init(base: UnsafeRawPointer, count: Int, release: @escaping @Sendable () -> Void) {
        self.release = release
        super.init(base: base, count: count)
    }

    deinit {
        self.release()
    }
}

/// A slice of a ``ByteBlock``. Copies share the block; no bytes move.
package struct Bytes: Sendable {
    package let block: ByteBlock?
    private let offset: UInt32
    private let length: UInt32

    package static let empty = Bytes()

    private init() {
        self.block = nil
        self.offset = 0
        self.length = 0
    }

    /// The whole block.
    package init(_ block: ByteBlock) {
        self.block = block
        self.offset = 0
        self.length = UInt32(block.count)
    }

    /// - Precondition: the range lies inside the block.
    package init(_ block: ByteBlock, range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= block.count, "a slice lies inside its block")
        self.block = block
        self.offset = UInt32(range.lowerBound)
        self.length = UInt32(range.count)
    }

    package init(copying bytes: some Collection<UInt8>) {
        self.init(HeapBlock(count: bytes.count) { $0.copyBytes(from: bytes) })
    }

    package init(copying bytes: UnsafeRawBufferPointer) {
        self.init(HeapBlock(count: bytes.count) { $0.copyMemory(from: bytes) })
    }

    package var count: Int { Int(self.length) }
    package var isEmpty: Bool { self.length == 0 }

    package func withUnsafeBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
        guard let block else { return try body(UnsafeRawBufferPointer(start: nil, count: 0)) }
        defer { withExtendedLifetime(block) {} }
        return try body(UnsafeRawBufferPointer(start: block.base + Int(self.offset), count: Int(self.length)))
    }

    /// A slice of this slice. Traps if `range` is not inside `0..<count`.
    package subscript(range: Range<Int>) -> Bytes {
        precondition(range.lowerBound >= 0 && range.upperBound <= self.count, "a slice lies inside its parent")
        guard let block else { return .empty }
        return Bytes(block, range: range.lowerBound + Int(self.offset)..<range.upperBound + Int(self.offset))
    }

    package var array: [UInt8] { self.withUnsafeBytes { Array($0) } }
}

extension Bytes: Hashable {
    package static func == (a: Self, b: Self) -> Bool {
        a.count == b.count && a.withUnsafeBytes { x in b.withUnsafeBytes { y in x.elementsEqual(y) } }
    }

    package func hash(into hasher: inout Hasher) {
        self.withUnsafeBytes { hasher.combine(bytes: $0) }
    }
}
