import MartletCore
import MartletStore

/// Sessions and their submits: the last ones of each in a ring of rows, place = number * window + sequence % window.
extension StoreTransaction {
    private static var window: UInt64 { UInt64(Submission.windowMax) }

    func open(_ id: SessionID, at now: WallTime) throws(StoreError) {
        if let known = try self.session(id) { return try self.touch(id, known, at: now) }
        let insert = self.statements.insertSession
        insert.bind(0, Int64(bitPattern: id.high))
        insert.bind(1, Int64(bitPattern: id.low))
        insert.bind(2, now.microseconds)
        guard try insert.step() else { throw StoreError(.rolledBack, "a session was not stored") }
        let number = insert.integer(0)
        // To its end: a statement that returns rows is only then done.
        while try insert.step() {}
        self.sessions[id] = Session(number: number, usedAt: now, highest: 0)
    }

    func expireSessions(unusedSince time: WallTime) throws(StoreError) {
        let find = self.statements.findUnusedSessions
        find.bind(0, time.microseconds)
        find.bind(1, Int64(Change.expiredSessionsMax))
        var found: [(id: SessionID, number: Int64)] = []
        while try find.step() {
            found.append((SessionID(high: find.unsigned(1), low: find.unsigned(2)), find.integer(0)))
        }
        for (id, number) in found {
            self.sessions[id] = nil
            Self.bindPlaces(of: number, to: self.statements.deleteSubmits)
            try self.statements.deleteSubmits.run()
            self.statements.deleteSession.bind(0, number)
            try self.statements.deleteSession.run()
        }
    }

    func submit(_ submission: Submission, at now: WallTime) throws(StoreError) -> SubmitOutcome {
        guard let session = try self.session(submission.session) else { return .sessionExpired }
        let place = session.number * Int64(Self.window) + Int64(submission.sequence % Self.window)
        if submission.sequence <= session.highest {
            if session.highest - submission.sequence >= Self.window { return .sessionExpired }
            if let known = try self.accepted(submission.sequence, at: place) { return known }
        }
        var tables = SQLiteTables(transaction: self)
        if let refusal = try tables.refusal(of: submission, at: now) { return refusal }
        let first = JobID(shard: self.shard, sequence: self.nextSequence)
        self.nextSequence += UInt64(submission.idCount)
        var exceptions: [SubmitException] = []
        if submission.isGrouped {
            try tables.createGroup(submission, from: first, at: now)
        } else {
            exceptions = try self.insert(submission.jobs, from: first, at: now)
        }
        let write = self.statements.writeSubmit
        write.bind(0, place)
        write.bind(1, Int64(bitPattern: submission.sequence))
        write.bind(2, Int64(first.rawValue))
        write.bind(3, Int64(submission.idCount))
        write.bind(4, copying: exceptions.stored)
        try write.run()
        if submission.sequence > session.highest { self.sessions[submission.session]!.highest = submission.sequence }
        if now - session.usedAt >= Submission.useGranularity { try self.touch(submission.session, session, at: now) }
        return .accepted(first: first, count: submission.idCount, exceptions: exceptions)
    }

    /// What a sequence was answered, if it is the one that has this place.
    private func accepted(_ sequence: UInt64, at place: Int64) throws(StoreError) -> SubmitOutcome? {
        let read = self.statements.readSubmit
        read.bind(0, place)
        guard try read.step() else { return nil }
        defer { read.reset() }
        guard read.unsigned(0) == sequence else { return nil }
        return .repeated(
            first: JobID(rawValue: read.unsigned(1)), count: Int(read.integer(2)),
            exceptions: [SubmitException](stored: read.blob(3)))
    }

    private func session(_ id: SessionID) throws(StoreError) -> Session? {
        if let known = self.sessions[id] { return known }
        let find = self.statements.findSession
        find.bind(0, Int64(bitPattern: id.high))
        find.bind(1, Int64(bitPattern: id.low))
        guard try find.step() else { return nil }
        var session = Session(number: find.integer(0), usedAt: WallTime(microseconds: find.integer(1)), highest: 0)
        find.reset()
        let highest = self.statements.highestSubmit
        Self.bindPlaces(of: session.number, to: highest)
        if try highest.step() { session.highest = highest.unsigned(0) }
        highest.reset()
        self.sessions[id] = session
        return session
    }

    private func touch(_ id: SessionID, _ session: Session, at now: WallTime) throws(StoreError) {
        self.sessions[id]!.usedAt = now
        self.statements.touchSession.bind(0, now.microseconds)
        self.statements.touchSession.bind(1, session.number)
        try self.statements.touchSession.run()
    }

    private static func bindPlaces(of number: Int64, to statement: Statement) {
        statement.bind(0, number * Int64(self.window))
        statement.bind(1, (number + 1) * Int64(self.window) - 1)
    }
}

/// Twelve bytes each, little-endian: the place, with the top bit set if the job's payload was replaced, and its id.
extension [SubmitException] {
    private static let replacedBit: UInt32 = 1 << 31

    fileprivate var stored: [UInt8]? {
        guard !self.isEmpty else { return nil }
        var bytes: [UInt8] = []
        for exception in self {
            var place = UInt32(exception.place)
            if case .replaced = exception.kind { place |= Self.replacedBit }
            Swift.withUnsafeBytes(of: place.littleEndian) { bytes.append(contentsOf: $0) }
            Swift.withUnsafeBytes(of: exception.id.rawValue.littleEndian) { bytes.append(contentsOf: $0) }
        }
        return bytes
    }

    fileprivate init(stored bytes: UnsafeRawBufferPointer) {
        self = stride(from: 0, to: bytes.count - bytes.count % 12, by: 12).map { offset in
            let place = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            let id = JobID(
                rawValue: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt64.self)))
            return SubmitException(
                place: Int(place & ~Self.replacedBit),
                kind: place & Self.replacedBit == 0 ? .existing(id) : .replaced(id))
        }
    }
}
