import MartletCore

/// Rows that many changes of one group write, so that they are read and written once a group.
struct RowCache<ID: Hashable & Comparable, Row> {
    private var rows: [ID: Row?] = [:]
    private var changed: Set<ID> = []

    /// The outer nil: not known; the inner: known not to be there.
    subscript(id: ID) -> Row?? { self.rows[id] }

    mutating func remember(_ row: Row?, _ id: ID) { self.rows[id] = .some(row) }

    mutating func change(_ row: Row, _ id: ID) {
        self.rows[id] = .some(row)
        self.changed.insert(id)
    }

    mutating func forget(_ id: ID) {
        self.rows[id] = .some(nil)
        self.changed.remove(id)
    }

    /// What was changed since, in order of id.
    mutating func takeChanged() -> [Row] {
        defer { self.changed.removeAll(keepingCapacity: true) }
        return self.changed.sorted().compactMap { self.rows[$0] ?? nil }
    }

    mutating func removeAll() {
        if !self.rows.isEmpty { self.rows.removeAll(keepingCapacity: true) }
        if !self.changed.isEmpty { self.changed.removeAll(keepingCapacity: true) }
    }
}
