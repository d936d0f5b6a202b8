import Martlet
import MartletTesting
import Shop
import XCTest

final class WelcomeMailXCTests: XCTestCase {
    func testAllWaitingMailsAreSent() async throws {
        let mailer = FakeMailer()
        let cluster = try await TestCluster { configure($0, mailer: mailer) }
        try await cluster.client.submit((1...10).map { WelcomeMail(address: "\($0)@example.org") }, delay: .seconds(5))
        let before = try await cluster.drain()
        XCTAssertTrue(before.isEmpty)
        try await cluster.advance(by: .seconds(5))
        let runs = try await cluster.drain()
        XCTAssertTrue(runs.allSatisfy(\.hasSucceeded))
        let sent = await mailer.sent
        XCTAssertEqual(sent.count, 10)
    }
}
