import Foundation
import Martlet
import MartletJSON
import Testing

@testable import MartletCLI

@Suite struct JobFileTests {
    private func withFile(_ text: String, _ body: (String) throws -> Void) throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "martlet-jobs-\(UUID().uuidString)")
        try Data(text.utf8).write(to: url)
        defer { try? FileManager.default.removeItem(at: url) }
        try body(url.path)
    }

    private func open(_ path: String, skipped: Int = 0, jobsMax: Int = 10_000) throws -> JobFile {
        try JobFile(
            path: path, defaults: JobDefaults(type: "t"), payloadMax: 1 << 20, submitJobsMax: jobsMax,
            skippedLines: skipped)
    }

    @Test func handsOutEveryLineOnceInBoundedBatches() throws {
        let lines = (0..<4321).map { "{\"n\": \($0)}" }
        try self.withFile(lines.joined(separator: "\n")) { path in
            let file = try self.open(path)
            var read: [String] = []
            var lastLine = 0
            while let batch = try file.nextBatch() {
                #expect(batch.jobs.count <= JobFile.batchJobsMax)
                read += batch.jobs.compactMap(\.payload.text)
                lastLine = batch.lastLine
                #expect(lastLine == read.count)
            }
            #expect(read == lines)
            #expect(file.reader.progress == file.reader.total)
        }
    }

    @Test func batchesAreBoundedInBytesToo() throws {
        let line = "\"" + String(repeating: "x", count: 300_000) + "\""
        try self.withFile(Array(repeating: line, count: 9).joined(separator: "\r\n") + "\r\n\r\n") { path in
            let file = try self.open(path)
            var counts: [Int] = []
            while let batch = try file.nextBatch() { counts.append(batch.jobs.count) }
            #expect(counts == [4, 4, 1])
        }
    }

    @Test func obeysTheClustersLimitOfJobs() throws {
        try self.withFile("1\n2\n3\n") { path in
            let batch = try self.open(path, jobsMax: 2).nextBatch()
            #expect(batch?.jobs.count == 2)
        }
    }

    @Test func goesOnWhereItIsTold() throws {
        try self.withFile("1\n\n3\n4\n") { path in
            let batch = try #require(try self.open(path, skipped: 2).nextBatch())
            #expect(batch.jobs.compactMap(\.payload.text) == ["3", "4"])
            #expect(batch.lastLine == 4)
            let none = try self.open(path, skipped: 99).nextBatch()
            #expect(none == nil)
        }
    }

    @Test func badLineIsFoundWithItsNumber() throws {
        try self.withFile("1\n\n{\n4\n") { path in
            #expect { try self.open(path).check() } throws: { error in
                "\(error)".contains(":3: not valid JSON: expected a name in quotes (column 2)")
                    && (error as? CommandError)?.code == .badInput
            }
        }
    }

    @Test func lineWithoutEndIsRefusedBeforeItFillsTheMemory() throws {
        try self.withFile("1\n\"" + String(repeating: "x", count: LineReader.lineBytesMax + 400_000)) { path in
            #expect { try self.open(path).check() } throws: { "\($0)".contains(":2: the line is longer than 8 MiB") }
        }
    }

    @Test func missingFileIsNamed() {
        #expect { try self.open("/no/such/file") } throws: { error in
            (error as? CommandError)
                == CommandError(.noInput, "cannot read /no/such/file: no such file", fix: "check the name after --from")
        }
    }
}
