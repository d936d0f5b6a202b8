import Foundation
import MartletCore
import MartletWire
import Testing

/// The bytes of protocol version 1, for ever: a change that breaks one of these breaks every deployed worker.
///
/// `Tests/interop/golden-vectors.json` holds them with their fields; the Python client there, written from
/// `docs/wire-protocol.md` alone, is checked against the same file.
@Suite struct GoldenVectorTests {
    struct Vector: Decodable {
        let name: String
        let kind: UInt8
        let hex: String

        var bytes: [UInt8] {
            let digits = Array(self.hex.utf8)
            return stride(from: 0, to: digits.count, by: 2).map {
                UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)!
            }
        }
    }

    static let interop = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("interop")

    static func vectors() throws -> [String: Vector] {
        let data = try Data(contentsOf: Self.interop.appendingPathComponent("golden-vectors.json"))
        let list = try JSONDecoder().decode([Vector].self, from: data)
        return Dictionary(uniqueKeysWithValues: list.map { ($0.name, $0) })
    }

    @Test(arguments: Sample.all)
    func aMessageHasItsGoldenBytesBothWays(sample: Sample) throws {
        let vector = try #require(try Self.vectors()[sample.name])
        #expect(vector.kind == sample.kind.rawValue)
        #expect(vector.bytes == sample.frame.array)
        #expect(try sample.decodes(Bytes(copying: vector.bytes)))
    }

    @Test func everyVectorIsChecked() throws {
        #expect(Set(try Self.vectors().keys) == Set(Sample.all.map(\.name)))
    }

    /// A client of another language reads and writes every vector.
    @Test func thePythonClientAgrees() throws {
        let python = Process()
        let output = Pipe()
        python.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        python.arguments = ["python3", Self.interop.appendingPathComponent("check_vectors.py").path]
        python.standardOutput = output
        python.standardError = output
        try python.run()
        let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        python.waitUntilExit()
        #expect(python.terminationStatus == 0, "\(said)")
        #expect(said.contains("\(Sample.all.count) vectors agree"), "\(said)")
    }
}
