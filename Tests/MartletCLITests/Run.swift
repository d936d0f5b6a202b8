import Foundation
import Testing

/// Runs the built `martlet`, as people do, to its end.
struct Run {
    let code: Int32
    let output: String
    let errors: String

    /// The binary lies besides the test bundle.
    static let binary: URL = {
        let arguments = CommandLine.arguments
        let bundle = arguments.firstIndex(of: "--test-bundle-path").map { URL(filePath: arguments[$0 + 1]) }
        var folder = (bundle ?? URL(filePath: arguments[0])).deletingLastPathComponent()
        while folder.path != "/", !FileManager.default.isExecutableFile(atPath: folder.appending(path: "martlet").path)
        {
            folder.deleteLastPathComponent()
        }
        return folder.appending(path: "martlet")
    }()

    init(_ arguments: [String], in folder: URL, environment: [String: String] = [:], input: String = "") throws {
        let process = Process()
        process.executableURL = Self.binary
        process.arguments = arguments
        process.currentDirectoryURL = folder
        process.environment = ["PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": folder.path].merging(environment) { $1 }
        let (output, errors, standardInput) = (Pipe(), Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        process.standardInput = standardInput
        try process.run()
        try standardInput.fileHandleForWriting.write(contentsOf: Data(input.utf8))
        try standardInput.fileHandleForWriting.close()
        self.output = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        self.errors = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        self.code = process.terminationStatus
    }

    /// The output's lines as JSON objects.
    func objects() throws -> [[String: Any]] {
        try self.output.split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
    }
}

/// A `martlet` that runs on: a coordinator or a worker. Killed with its owner, if it still runs.
final class Server {
    private let process = Process()
    private let errors = Pipe()
    private var log = ""

    init(_ arguments: [String], in folder: URL, environment: [String: String] = [:]) throws {
        self.process.executableURL = Run.binary
        self.process.arguments = arguments
        self.process.currentDirectoryURL = folder
        self.process.environment = ["PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": folder.path].merging(environment) { $1 }
        self.process.standardInput = FileHandle.nullDevice
        self.process.standardOutput = FileHandle.nullDevice
        self.process.standardError = self.errors
        try self.process.run()
    }

    deinit {
        if self.process.isRunning { kill(self.process.processIdentifier, SIGKILL) }
    }

    /// Reads its log until `text` was there. Fails when the log ends without it.
    func wait(for text: String) throws {
        while !self.log.contains(text) {
            let data = self.errors.fileHandleForReading.availableData
            try #require(!data.isEmpty, "the log ended without \"\(text)\": \(self.log)")
            self.log += String(decoding: data, as: UTF8.self)
        }
    }

    func send(_ signal: Int32) { kill(self.process.processIdentifier, signal) }

    /// Sends SIGTERM and waits for the end.
    func stop() -> Int32 {
        self.process.terminate()
        // Its log must not fill the pipe meanwhile.
        self.log += String(decoding: self.errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        self.process.waitUntilExit()
        return self.process.terminationReason == .exit ? self.process.terminationStatus : -1
    }
}

/// A folder that is gone with the test.
final class Folder {
    let url: URL

    init() throws {
        self.url = FileManager.default.temporaryDirectory.appending(path: "martlet-cli-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: self.url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: self.url) }

    func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: self.url.appending(path: name))
    }

    /// A configuration that listens on sockets in this folder, and whatever `more` says.
    func writeConfiguration(_ more: String = "") throws {
        let listen =
            "\"listen\": {\"clients\": \"ipc://\(self.url.path)/c\", \"nodes\": \"ipc://\(self.url.path)/n\"}"
        let http = more.contains("\"http\"") ? "" : ", \"http\": {\"listen\": \"off\"}"
        try self.write("{\(listen)\(http)\(more.isEmpty ? "" : ", \(more)")}", to: "cluster.json")
    }
}
