import CSQLite
import MartletStore

/// A prepared statement. Parameters and columns count from 0.
struct Statement {
    private let handle: OpaquePointer

    init(_ handle: OpaquePointer) {
        self.handle = handle
    }

    func finalize() { sqlite3_finalize(self.handle) }

    func bind(_ place: Int32, _ value: Int64) { sqlite3_bind_int64(self.handle, place + 1, value) }

    func bind(_ place: Int32, _ value: Int64?) {
        if let value { self.bind(place, value) } else { self.bindNull(place) }
    }

    func bindNull(_ place: Int32) { sqlite3_bind_null(self.handle, place + 1) }

    func bind(_ place: Int32, _ text: String?) {
        guard var text else { return self.bindNull(place) }
        text.withUTF8 { bytes in
            let start = UnsafeRawPointer(bytes.baseAddress ?? Self.nowhere).assumingMemoryBound(to: CChar.self)
            _ = sqlite3_bind_text64(
                self.handle, place + 1, start, UInt64(bytes.count), Self.copied, UInt8(SQLITE_UTF8))
        }
    }

    /// Binds bytes that must stay where they are until the statement is reset.
    func bind(_ place: Int32, borrowing bytes: UnsafeRawBufferPointer) {
        // Without an address it would be NULL.
        let start = bytes.baseAddress ?? UnsafeRawPointer(Self.nowhere)
        sqlite3_bind_blob64(self.handle, place + 1, start, UInt64(bytes.count), nil)
    }

    func bind(_ place: Int32, copying bytes: [UInt8]?) {
        guard let bytes else { return self.bindNull(place) }
        sqlite3_bind_blob64(self.handle, place + 1, bytes, UInt64(bytes.count), Self.copied)
    }

    /// Whether there is a (further) row. Resets the statement after the last one or an error.
    func step() throws(StoreError) -> Bool {
        let code = sqlite3_step(self.handle)
        if code == SQLITE_ROW { return true }
        if code == SQLITE_DONE {
            sqlite3_reset(self.handle)
            return false
        }
        let error = StoreError(native: code, of: sqlite3_db_handle(self.handle))
        sqlite3_reset(self.handle)
        throw error
    }

    /// Runs a statement that returns no rows.
    func run() throws(StoreError) { _ = try self.step() }

    /// Ends a query before its last row.
    func reset() { sqlite3_reset(self.handle) }

    func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(self.handle, column) }

    func unsigned(_ column: Int32) -> UInt64 { UInt64(bitPattern: self.integer(column)) }

    func optionalInteger(_ column: Int32) -> Int64? {
        sqlite3_column_type(self.handle, column) == SQLITE_NULL ? nil : self.integer(column)
    }

    func text(_ column: Int32) -> String? {
        guard let start = sqlite3_column_text(self.handle, column) else { return nil }
        let count = Int(sqlite3_column_bytes(self.handle, column))
        return String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }

    /// Valid until the next step.
    func blob(_ column: Int32) -> UnsafeRawBufferPointer {
        let start = sqlite3_column_blob(self.handle, column)
        return UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(self.handle, column)))
    }

    private static let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    private static nonisolated(unsafe) let nowhere = UnsafePointer<UInt8>(bitPattern: 1)!
}

extension StoreError {
    /// What SQLite says about the last call on a connection.
    init(native code: Int32, of connection: OpaquePointer?) {
        let kind: StoreError.Code =
            switch code & 0xff {
            case SQLITE_FULL: .diskFull
            case SQLITE_CORRUPT, SQLITE_NOTADB: .corrupt
            case SQLITE_BUSY, SQLITE_LOCKED: .locked
            default: .failed
            }
        let text = connection.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
        self.init(kind, "\(text) (SQLite \(code))", nativeCode: code)
    }
}
