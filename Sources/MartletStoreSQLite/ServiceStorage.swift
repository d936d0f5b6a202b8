import MartletCore
import MartletStore

extension StoreTransaction {
    /// Keeps what is set for a service, and who set it.
    func keep(_ record: ServiceRecord, what: String) throws(StoreError) {
        if record.isUsual {
            self.statements.deleteService.bind(0, record.name)
            try self.statements.deleteService.run()
        } else {
            self.statements.writeService.bind(0, record.name)
            self.statements.writeService.bind(1, record.isPaused ? 1 : 0)
            self.statements.writeService.bind(2, record.changedAt.microseconds)
            self.statements.writeService.bind(3, record.changedBy)
            self.statements.writeService.bind(4, copying: record.limits?.encoded)
            try self.statements.writeService.run()
        }
        self.statements.writeServiceChange.bind(0, record.name)
        self.statements.writeServiceChange.bind(1, record.changedAt.microseconds)
        self.statements.writeServiceChange.bind(2, record.changedBy)
        self.statements.writeServiceChange.bind(3, what)
        try self.statements.writeServiceChange.run()
        self.statements.trimServiceChanges.bind(0, Int64(ServiceChange.changesMax))
        try self.statements.trimServiceChanges.run()
    }

    /// Keeps that a service is to be left alone, unless it was to be for longer.
    func keep(_ closing: ServiceClosing, at now: WallTime) throws(StoreError) {
        let read = self.statements.readClosing
        read.bind(0, closing.name)
        let before = try read.step() ? ServiceClosing(name: closing.name, read, 0) : nil
        read.reset()
        let kept = closing.lasting(beside: before, at: now)
        self.statements.writeClosing.bind(0, kept.name)
        self.statements.writeClosing.bind(1, kept.at.microseconds)
        self.statements.writeClosing.bind(2, kept.lastsFor.wholeMicroseconds)
        try self.statements.writeClosing.run()
    }
}

extension ServiceClosing {
    fileprivate init(name: String, _ row: Statement, _ column: Int32) {
        self.init(
            name: name, at: WallTime(microseconds: row.integer(column)),
            lastsFor: .microseconds(row.integer(column + 1)))
    }

    static func all(in database: Database) throws(StoreError) -> [ServiceClosing] {
        var closings: [ServiceClosing] = []
        try database.read("SELECT name, at, lasts FROM service_closings ORDER BY name") { row throws(StoreError) in
            closings.append(ServiceClosing(name: row.text(0) ?? "", row, 1))
        }
        return closings
    }
}

extension ServiceRecord {
    static func all(in database: Database) throws(StoreError) -> [ServiceRecord] {
        var records: [ServiceRecord] = []
        try database.read("SELECT name, paused, changed, who, limits FROM services ORDER BY name") {
            row throws(StoreError) in
            let bytes = row.blob(4)
            let limits = ServiceLimits(encoded: bytes)
            guard bytes.isEmpty || limits?.problem() == nil && limits != nil else {
                throw StoreError(.corrupt, "the limits of a service make no sense")
            }
            records.append(
                ServiceRecord(
                    name: row.text(0) ?? "", limits: limits, isPaused: row.integer(1) != 0,
                    changedAt: WallTime(microseconds: row.integer(2)), changedBy: row.text(3) ?? ""))
        }
        return records
    }
}

extension ServiceChange {
    /// In the order in which they were made.
    static func all(in database: Database) throws(StoreError) -> [ServiceChange] {
        var changes: [ServiceChange] = []
        try database.read("SELECT name, changed, who, what FROM service_changes ORDER BY number") {
            row throws(StoreError) in
            changes.append(
                ServiceChange(
                    name: row.text(0) ?? "", at: WallTime(microseconds: row.integer(1)), by: row.text(2) ?? "",
                    what: row.text(3) ?? ""))
        }
        return changes
    }
}
