import MartletCore
import Testing

@Suite struct ServiceUseTests {
    @Test(arguments: [
        ServiceUse("stripe"), ServiceUse("stripe", weight: 3), ServiceUse("maps", key: "tenant-7"),
        ServiceUse("maps", key: "a/b", weight: 12), ServiceUse("maps", key: "a:b", weight: 2),
    ])
    func itsTextSaysAllOfIt(use: ServiceUse) {
        #expect(ServiceUse(text: use.description) == use)
    }

    @Test(arguments: ["", "/key", "stripe/", "stripe:", "stripe:two", ":2"])
    func whatNamesNothingIsNoUse(text: String) {
        #expect(ServiceUse(text: text) == nil)
    }

    @Test func jobsThatUseTheSameShareASubLane() {
        var options = JobOptions()
        #expect(options.share == nil)
        options.services = ["stripe"]
        var others = JobOptions(timeout: .seconds(1))
        others.services = ["stripe"]
        #expect(options.share == others.share)
        others.services = [ServiceUse("stripe", key: "t")]
        #expect(options.share != others.share)
    }
}
