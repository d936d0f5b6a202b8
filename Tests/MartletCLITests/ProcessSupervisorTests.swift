import Foundation
import MartletCore
import Testing

@testable import MartletCLI

/// Runs a shell line with `input` on its standard input.
private func run(
    _ line: String, input: [UInt8] = [], environment: [String] = ["PATH=/usr/bin:/bin"],
    on supervisor: ProcessSupervisor
) async -> ChildOutcome {
    await supervisor.run(
        ChildRequest(command: ["/bin/sh", "-c", line], environment: environment, input: Bytes(copying: input)))
}

@Suite(.timeLimit(.minutes(1))) struct ProcessSupervisorTests {
    private let supervisor = ProcessSupervisor(grace: .milliseconds(200))

    @Test func exitCodeDecides() async {
        #expect(await run("exit 0", on: self.supervisor).ending == .exited(0))
        #expect(await run("exit 65", on: self.supervisor).ending == .exited(65))
        #expect(await run("kill -9 $$", on: self.supervisor).ending == .signalled(9))
    }

    /// Whether or not somebody cares, and however deaf it is.
    @Test func nothingRunsOnAfterItsEnd() async throws {
        let output = try Folder()
        let file = output.url.appending(path: "pid").path
        async let outcome = run("trap '' TERM; echo $$ > \(file); while :; do sleep 0.01; done", on: self.supervisor)
        while (try? String(contentsOfFile: file, encoding: .utf8))?.hasSuffix("\n") != true { await Task.yield() }
        await self.supervisor.stop()
        #expect(await outcome.ending == .signalled(9))
        let pid = try #require(Int32(String(contentsOfFile: file, encoding: .utf8).dropLast()))
        #expect(kill(pid, 0) == -1 && errno == ESRCH)
    }

    @Test func programFindsPayloadAndEnvironment() async {
        let outcome = await run(
            "read line; echo \"$line for $MARTLET_JOB_ID\" >&2", input: Array("{\"a\": 1}\n".utf8),
            environment: ["MARTLET_JOB_ID=42"], on: self.supervisor)
        #expect(outcome.ending == .exited(0) && outcome.errorTail == "{\"a\": 1} for 42")
    }

    /// More than a pipe holds, both ways.
    @Test func largePayloadsPass() async {
        let payload = [UInt8](repeating: UInt8(ascii: "x"), count: 4 << 20)
        let outcome = await run("wc -c >&2", input: payload, on: self.supervisor)
        #expect(outcome.ending == .exited(0) && outcome.errorTail == "4194304")
    }

    @Test func keepsTheEndOfAllOutput() async {
        let outcome = await run(
            "echo first; i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; echo last >&2; exit 1",
            on: self.supervisor)
        #expect(outcome.log.count <= ChildOutcome.logBytesMax)
        let log = String(decoding: outcome.log, as: UTF8.self)
        #expect(log.contains("line 2999") && log.contains("last") && !log.contains("first"))
        #expect(outcome.output == nil)
    }

    @Test func theWholeOutputIsThereIfWanted() async {
        func output(_ line: String) async -> [UInt8]? {
            await self.supervisor.run(
                ChildRequest(
                    command: ["/bin/sh", "-c", line], environment: ["PATH=/usr/bin:/bin"], input: .empty,
                    keepsOutput: true)
            ).output
        }
        #expect(await output("printf 'a\\nb'; echo no >&2") == Array("a\nb".utf8))
        #expect(await output("head -c 1048576 /dev/zero")?.count == 1 << 20)
        #expect(await output("head -c 1048577 /dev/zero") == nil)
    }

    @Test func programNeedNotReadItsInput() async {
        let payload = [UInt8](repeating: 0, count: 1 << 20)
        #expect(await run("exec <&-; exit 3", input: payload, on: self.supervisor).ending == .exited(3))
    }

    @Test func keepsTheEndOfTheErrors() async {
        let outcome = await run(
            "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done >&2; exit 1", on: self.supervisor)
        #expect(outcome.ending == .exited(1))
        #expect(outcome.errorTail.utf8.count <= ChildOutcome.errorBytesMax)
        #expect(outcome.errorTail.hasSuffix("line 2999"))
    }

    @Test func missingProgramIsTold() async {
        let outcome = await self.supervisor.run(
            ChildRequest(command: ["/no/such/program"], environment: [], input: .empty))
        #expect(outcome.ending == .notStarted("cannot start /no/such/program: no such file or directory"))
    }

    @Test func cancelledBeforeItsStartItNeverRuns() async {
        let supervisor = self.supervisor
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await run("exit 0", on: supervisor).ending
        }
        #expect(await task.value == .notStarted("cancelled before its start"))
    }

    /// The program tells through a named pipe that it is under way.
    @Test(arguments: [("trap '' TERM", 9), ("trap 'exit 7' TERM", 7)] as [(String, Int32)])
    func cancellingEndsTheWholeGroup(trap: String, number: Int32) async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "martlet-fifo-\(UUID().uuidString)").path
        #expect(mkfifo(path, 0o600) == 0)
        defer { unlink(path) }
        // Who obeys is given all the time it may want, who does not is not waited for.
        let supervisor = ProcessSupervisor(grace: number == 9 ? .milliseconds(50) : .seconds(50))
        let task = Task {
            await run("\(trap); sleep 1000 & echo > \(path); while :; do sleep 0.01; done", on: supervisor)
        }
        // Reading waits for the writer; on a thread that may wait.
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                let descriptor = open(path, O_RDONLY)
                var byte: UInt8 = 0
                _ = read(descriptor, &byte, 1)
                close(descriptor)
                continuation.resume()
            }
        }
        task.cancel()
        #expect(await task.value.ending == (number == 9 ? .signalled(9) : .exited(number)))
    }

    /// What the program leaves running holds a named pipe open: the pipe hangs up when that has ended too.
    @Test func leftoversEndWithTheProgram() async {
        let path = FileManager.default.temporaryDirectory.appending(path: "martlet-fifo-\(UUID().uuidString)").path
        #expect(mkfifo(path, 0o600) == 0)
        defer { unlink(path) }
        var entry = pollfd(fd: open(path, O_RDONLY | O_NONBLOCK), events: Int16(POLLIN), revents: 0)
        defer { close(entry.fd) }
        let outcome = await run("exec 3> \(path); echo >&3; sleep 1000 & exit 4", on: self.supervisor)
        #expect(outcome.ending == .exited(4))
        var byte: UInt8 = 0
        #expect(read(entry.fd, &byte, 1) == 1)
        #expect(poll(&entry, 1, 20_000) == 1)
        #expect(entry.revents & Int16(POLLHUP) != 0)
    }

    @Test func manyRunAtOnce() async {
        let supervisor = self.supervisor
        let endings = await withTaskGroup(of: ChildOutcome.Ending.self) { group in
            for code in 0..<100 { group.addTask { await run("exit \(code % 5)", on: supervisor).ending } }
            return await group.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        }
        #expect(endings == [.exited(0): 20, .exited(1): 20, .exited(2): 20, .exited(3): 20, .exited(4): 20])
    }
}

@Suite struct TailBufferTests {
    @Test func keepsWholeCharactersOfTheEnd() {
        var tail = TailBuffer(bytesMax: 5)
        for _ in 0..<100 { tail.append(Array("é".utf8)) }
        #expect(tail.text == "éé")
        tail.append(Array("abcdefgh".utf8))
        #expect(tail.text == "defgh")
    }
}
