import StoreConformance

/// What a disk may hold after a power loss: all that was synced, and of what was not, whatever luck decides, sector
/// by sector and in any order.
struct CrashDisk {
    /// What becomes of writes that were not synced.
    enum Luck: CaseIterable {
        case allLost
        case allKept
        /// Each sector of each write by itself.
        case torn
        /// Later writes reach the disk before earlier ones: the earlier half is lost.
        case reordered
    }

    private static let sector = 512

    private struct File {
        var durable: [UInt8]?
        var pending: [FaultVFS.Event] = []
    }

    private let vfs: FaultVFS
    private var files: [String: File] = [:]
    private var syncedLogs: Set<String> = []
    private(set) var position = 0

    /// - Parameter files: what was there, and safe, before the first event.
    init(_ vfs: FaultVFS, files: [String: [UInt8]] = [:]) {
        self.vfs = vfs
        self.files = files.mapValues { File(durable: $0) }
    }

    /// Whether the next event is a sync.
    var isAtSync: Bool { self.vfs.event(self.position).kind == .sync }

    /// Lets the next event happen.
    mutating func advance() {
        let event = self.vfs.event(self.position)
        self.position += 1
        var file = self.files[event.file, default: File()]
        switch event.kind {
        case .write, .truncate, .delete: file.pending.append(event)
        case .sync:
            // A file that was only opened has no content yet, but is there.
            var content = file.durable ?? []
            for event in file.pending { Self.apply(event, to: &content) }
            file.durable = content
            file.pending = []
            // A log's first sync also syncs the folder (`UNIXFILE_DIRSYNC` in SQLite's os_unix.c).
            if event.file.hasSuffix("-wal"), self.syncedLogs.insert(event.file).inserted { self.syncDeletes() }
        case nil: break
        }
        self.files[event.file] = file
    }

    private mutating func syncDeletes() {
        for (name, file) in self.files where file.pending.contains(where: { $0.kind == .delete }) {
            let last = file.pending.lastIndex { $0.kind == .delete }!
            self.files[name] = File(durable: nil, pending: Array(file.pending[(last + 1)...]))
        }
    }

    /// The files that are left.
    func survivors(luck: Luck, using random: inout GroupGenerator) -> [String: [UInt8]] {
        var left: [String: [UInt8]] = [:]
        for (name, file) in self.files.sorted(by: { $0.key < $1.key }) {
            var content = file.durable
            for (index, event) in file.pending.enumerated() {
                switch luck {
                case .allLost: break
                case .allKept: Self.apply(event, to: &content)
                case .torn: Self.applyTorn(event, to: &content, using: &random)
                case .reordered: if index >= file.pending.count / 2 { Self.apply(event, to: &content) }
                }
            }
            left[name] = content
        }
        return left
    }

    private static func apply(_ event: FaultVFS.Event, to content: inout [UInt8]?) {
        if event.kind == .delete {
            content = nil
        } else {
            var bytes = content ?? []
            self.apply(event, to: &bytes)
            content = bytes
        }
    }

    private static func apply(_ event: FaultVFS.Event, to content: inout [UInt8]) {
        switch event.kind {
        case .write: self.write(event.bytes[...], at: event.offset, to: &content)
        case .truncate: if event.offset < content.count { content.removeLast(content.count - event.offset) }
        case .delete: content = []
        case .sync, nil: break
        }
    }

    private static func applyTorn(
        _ event: FaultVFS.Event, to content: inout [UInt8]?, using random: inout GroupGenerator
    ) {
        guard event.kind == .write else {
            if random.chance(50) { self.apply(event, to: &content) }
            return
        }
        var start = 0
        while start < event.bytes.count {
            // Sectors of the disk, not of the write.
            let end = min(
                event.bytes.count, (event.offset + start) / self.sector * self.sector + self.sector - event.offset)
            if random.chance(50) {
                var bytes = content ?? []
                self.write(event.bytes[start..<end], at: event.offset + start, to: &bytes)
                content = bytes
            }
            start = end
        }
    }

    private static func write(_ bytes: Slice<UnsafeBufferPointer<UInt8>>, at offset: Int, to content: inout [UInt8]) {
        if content.count < offset + bytes.count {
            content.append(contentsOf: repeatElement(0, count: offset + bytes.count - content.count))
        }
        content.replaceSubrange(offset..<offset + bytes.count, with: bytes)
    }
}
