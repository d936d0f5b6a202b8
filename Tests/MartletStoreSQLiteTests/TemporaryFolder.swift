import Foundation
import MartletRuntime
import MartletStoreSQLite

/// A folder that is gone when nobody uses it any more.
final class TemporaryFolder: Sendable {
    let url: URL

    /// - Parameter files: by name.
    init(holding files: [String: [UInt8]] = [:]) throws {
        self.url = FileManager.default.temporaryDirectory.appending(path: "martlet-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: self.url, withIntermediateDirectories: true)
        for (name, content) in files { try Data(content).write(to: self.url.appending(path: name)) }
    }

    func file(_ name: String) -> String { self.url.appending(path: name).path }

    deinit {
        try? FileManager.default.removeItem(at: self.url)
    }
}

/// The threads of one store.
struct StoreLoops: Sendable {
    let writer = ThreadLoop(name: "store")
    let reader = ThreadLoop(name: "store-reader")

    func store(in folder: TemporaryFolder, settings: SQLiteSettings = SQLiteSettings()) -> SQLiteStore {
        SQLiteStore(path: folder.file("store.db"), loop: self.writer, readerLoop: self.reader, settings: settings)
    }

    func shutdown() {
        self.writer.shutdown()
        self.reader.shutdown()
    }
}
