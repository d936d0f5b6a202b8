import Foundation
import MartletCore
import MartletJSON
import MartletWire
import Testing

@testable import MartletCLI

@Suite struct ExportTests {
    @Test(arguments: [0, 1, 2, 3, 4, 255] as [Int])
    func base64IsThatOfOthers(count: Int) {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 89 &+ 200) }
        #expect(ExportCommand.base64(bytes) == Data(bytes).base64EncodedString())
    }

    @Test func bytesThatAreNoJSONAreKeptAsTheyAre() {
        let job = JobView(
            id: JobID(rawValue: 7), template: JobTemplate(type: "t", queue: "q"), state: .succeeded, failures: 0,
            nodeDeaths: 0, createdAt: WallTime(microseconds: 0), due: nil, finishedAt: nil, lastFailure: nil,
            payloadCount: 2, node: nil)
        let detail = JobDetail(job: job, payload: Bytes(copying: [0xFF, 0]), result: Bytes(copying: "[1]".utf8))
        let text = ExportCommand.line(detail).text
        #expect(text.contains("\"payloadBase64\":\"/wA=\"") && text.contains("\"result\":[1]"))
    }
}
