import MartletCore

/// A record that a message's list has in requests: whoever can connect may send many of them.
@usableFromInline
package protocol CheckedRecord: Hashable, Sendable {
    /// The least bytes that a record's fields take, its length prefix not counted.
    static var bytesMin: Int { get }

    /// Reads the fields of the current record and keeps nothing of them. Throws whatever ``init(record:)`` would.
    static func check(record reader: inout FrameReader) throws(WireError)
    init(record reader: inout FrameReader) throws(WireError)
    func writeFields(to writer: inout FrameWriter)

    /// Makes the element of the next record, which was checked.
    static func next(from reader: inout FrameReader) -> Self
}

extension CheckedRecord {
    package static func check(record reader: inout FrameReader) throws(WireError) { _ = try Self(record: &reader) }

    /// A requirement as well, so that each type has its own, which knows it.
    package static func next(from reader: inout FrameReader) -> Self {
        defer { reader.keepFrame() }
        do throws(WireError) {
            try reader.nextRecord()
            return try Self(record: &reader)
        } catch {
            preconditionFailure("a record that was checked can be read: \(error)")
        }
    }
}

/// A list of a request. One that was decoded stays in its frame: every record was checked, none was made into an
/// element, so that decoding takes no memory for it however many there are; elements are made where they are used,
/// one at a time, each time anew. It keeps the frame alive. One that is to be sent is an array.
@usableFromInline
package struct RecordList<Element: CheckedRecord>: Sequence, Sendable {
    @usableFromInline enum Storage: Sendable {
        case elements([Element])
        case records(CheckedRecords)
    }

    @usableFromInline let storage: Storage

    package init(_ elements: [Element]) {
        self.storage = .elements(elements)
    }

    init(_ records: CheckedRecords) {
        self.storage = .records(records)
    }

    @inlinable package var count: Int {
        switch self.storage {
        case .elements(let elements): elements.count
        case .records(let records): Int(records.count)
        }
    }
    @inlinable package var isEmpty: Bool { self.count == 0 }
    @inlinable package var underestimatedCount: Int { self.count }
    @inlinable package var first: Element? { self.first { _ in true } }

    @inlinable package func makeIterator() -> Iterator { Iterator(self.storage) }

    /// Inlinable, so that other modules get a version for their element.
    @usableFromInline
    package struct Iterator: IteratorProtocol {
        @usableFromInline var elements: IndexingIterator<[Element]>
        @usableFromInline var reader: FrameReader?
        @usableFromInline var recordsLeft: UInt32

        @inlinable init(_ storage: Storage) {
            switch storage {
            case .elements(let elements):
                self.elements = elements.makeIterator()
                self.reader = nil
                self.recordsLeft = 0
            case .records(let records):
                self.elements = [].makeIterator()
                self.reader = FrameReader(records)
                self.recordsLeft = records.count
            }
        }

        @inlinable package mutating func next() -> Element? {
            guard self.reader != nil else { return self.elements.next() }
            guard self.recordsLeft > 0 else { return nil }
            self.recordsLeft -= 1
            return Element.next(from: &self.reader!)
        }
    }
}

extension RecordList: Hashable {
    @usableFromInline package static func == (a: Self, b: Self) -> Bool { a.count == b.count && a.elementsEqual(b) }

    @usableFromInline package func hash(into hasher: inout Hasher) {
        hasher.combine(self.count)
        for element in self { hasher.combine(element) }
    }
}

extension RecordList: ExpressibleByArrayLiteral {
    @usableFromInline package init(arrayLiteral elements: Element...) {
        self.init(elements)
    }
}

/// Where the records of a list lie.
@usableFromInline
struct CheckedRecords: Sendable {
    /// They and nothing else.
    let bytes: Bytes
    @usableFromInline let count: UInt32
    let kind: FrameKind
    let isExtended: Bool
}

extension FrameReader {
    /// Passes over `count` records, after checking that the frame is long enough to hold them.
    ///
    /// - Parameter check: reads the fields of the current record. What it does not refuse can be read later.
    @inline(__always)
    mutating func list<Element: CheckedRecord>(
        _ count: UInt32, _ name: String, max: Int = Int(UInt32.max),
        check: (inout FrameReader) throws(WireError) -> Void
    ) throws(WireError) -> RecordList<Element> {
        try self.expect(count, bytesMin: Element.bytesMin, name, max: max)
        let start = self.recordEnd
        for _ in 0..<count {
            try self.nextRecord()
            try check(&self)
        }
        guard count > 0 else { return [] }
        return RecordList(
            CheckedRecords(
                bytes: self.frame[start..<self.recordEnd], count: count, kind: self.kind, isExtended: self.isExtended))
    }

    @inline(__always)
    mutating func list<Element: CheckedRecord>(
        _ count: UInt32, of _: Element.Type = Element.self, _ name: String, max: Int = Int(UInt32.max)
    ) throws(WireError) -> RecordList<Element> {
        try self.list(count, name, max: max) { reader throws(WireError) in try Element.check(record: &reader) }
    }
}

extension FrameWriter {
    /// Writes one record for each element.
    @inline(__always)
    mutating func records<Element: CheckedRecord>(_ list: RecordList<Element>) {
        switch list.storage {
        case .elements(let elements):
            for element in elements { self.record { element.writeFields(to: &$0) } }
        case .records:
            for element in list { self.record { element.writeFields(to: &$0) } }
        }
    }
}
