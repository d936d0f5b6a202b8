import Foundation
import MartletCore
import MartletRuntime
import MartletStore
import MartletStoreSQLite
import Testing

/// The lock that keeps a second coordinator out, with real processes: `flock` of util-linux plays the other one.
@Suite(.timeLimit(.minutes(1))) struct StoreLockTests {
    @Test func aSecondStoreIsToldWhoHasIt() async throws {
        let folder = try TemporaryFolder()
        let loops = StoreLoops()
        defer { loops.shutdown() }
        let first = loops.store(in: folder)
        _ = try await first.open()
        let error = await #expect(throws: StoreError.self) { try await loops.store(in: folder).open() }
        #expect(error?.code == .locked)
        #expect(error?.message.contains("process \(getpid())") == true, "\(String(describing: error))")
        await first.close()
    }

    @Test func anotherProcessCannotTakeTheLockOfAnOpenStore() async throws {
        let folder = try TemporaryFolder()
        let loops = StoreLoops()
        defer { loops.shutdown() }
        let store = loops.store(in: folder)
        _ = try await store.open()
        #expect(try Self.flock(["--nonblock", folder.file("store.db-lock"), "true"]).waitForExit() == 1)
        await store.close()
        #expect(try Self.flock(["--nonblock", folder.file("store.db-lock"), "true"]).waitForExit() == 0)
    }

    @Test func aStoreDoesNotOpenWhileAnotherProcessHasTheLock() async throws {
        let folder = try TemporaryFolder()
        let loops = StoreLoops()
        defer { loops.shutdown() }
        let output = Pipe()
        let input = Pipe()
        // Says that it has the lock, and keeps it until its input ends.
        let holder = try Self.flock(
            [folder.file("store.db-lock"), "sh", "-c", "echo held; cat"], input: input, output: output)
        #expect(output.fileHandleForReading.availableData == Data("held\n".utf8))
        let store = loops.store(in: folder)
        let error = await #expect(throws: StoreError.self) { try await store.open() }
        #expect(error?.code == .locked)
        #expect(!FileManager.default.fileExists(atPath: folder.file("store.db")))
        try input.fileHandleForWriting.close()
        #expect(holder.waitForExit() == 0)
        _ = try await store.open()
        await store.close()
    }

    private static func flock(_ arguments: [String], input: Pipe = Pipe(), output: Pipe = Pipe()) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/flock")
        process.arguments = arguments
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        return process
    }
}

extension Process {
    fileprivate func waitForExit() -> Int32 {
        self.waitUntilExit()
        return self.terminationStatus
    }
}
