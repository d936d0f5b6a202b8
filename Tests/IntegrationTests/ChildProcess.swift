import CSpawn
import Foundation
import Synchronization

/// A process that a test started. What it prints goes to a file.
final class ChildProcess: Sendable {
    let name: String
    let processID: pid_t
    let logPath: String
    /// Its exit code, or minus the signal that ended it; nil while it runs.
    private let status = Mutex<Int32?>(nil)

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - logPath: gets what it prints, behind what is there.
    ///   - outputPath: gets its standard output instead, if given.
    init(
        _ name: String, _ command: [String], environment: [String: String], logPath: String, outputPath: String? = nil
    ) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let append = O_WRONLY | O_CREAT | O_APPEND
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, outputPath ?? logPath, append, 0o644)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, logPath, append, 0o644)
        #if canImport(Glibc)
            posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1)
        #endif
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // The threads of a pool block signals, and what they start would inherit that.
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        for number in [SIGTERM, SIGINT, SIGPIPE] { sigaddset(&signals, number) }
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF))
        let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        var variableTexts: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0)=\($1)") } + [nil]
        defer { for text in arguments + variableTexts { free(text) } }
        var processID = pid_t()
        let code = posix_spawnp(&processID, command[0], &actions, &attributes, &arguments, &variableTexts)
        guard code == 0 else { throw Failure("\(command[0]) did not start: \(String(cString: strerror(code)))") }
        self.name = name
        self.processID = processID
        self.logPath = logPath
    }

    deinit { self.kill() }

    /// Its exit code, or minus the signal that ended it; nil while it runs.
    var exitStatus: Int32? {
        self.status.withLock { known in
            if let known { return known }
            var status: Int32 = 0
            guard waitpid(self.processID, &status, WNOHANG) == self.processID else { return nil }
            known = status & 0x7f == 0 ? status >> 8 & 0xff : -(status & 0x7f)
            return known
        }
    }

    var isRunning: Bool { self.exitStatus == nil }

    /// Sends a signal, unless it has ended.
    func signal(_ number: Int32) {
        // Not reaped before this returns, so that the number is still this process's.
        self.status.withLock { if $0 == nil { _ = Foundation.kill(self.processID, number) } }
    }

    /// Ends it at once, wherever it is, and waits until it has gone.
    func kill() {
        self.signal(SIGKILL)
        self.status.withLock { known in
            guard known == nil else { return }
            var status: Int32 = 0
            while waitpid(self.processID, &status, 0) < 0, errno == EINTR {}
            known = -SIGKILL
        }
    }

    /// Waits until it has ended.
    ///
    /// - Returns: as ``exitStatus``.
    func exit(within limit: Duration = .seconds(20)) async throws -> Int32 {
        try await eventually("\(self.name) ends", within: limit) { !self.isRunning }
        return self.exitStatus!
    }

    var log: String { (try? String(contentsOfFile: self.logPath, encoding: .utf8)) ?? "" }
}
