import MartletConfiguration
import MartletCore
import Testing

@Suite struct QuantityTests {
    @Test(
        arguments: [
            ("15s", .seconds(15)), ("250ms", .milliseconds(250)), ("30m", .seconds(1800)), ("1h", .seconds(3600)),
            ("1h30m", .seconds(5400)), ("1.5s", .milliseconds(1500)), ("2d", .seconds(172_800)), ("0s", .zero),
            ("10us", .microseconds(10)), ("7ns", .nanoseconds(7)),
        ] as [(String, Duration)])
    func readsDurations(text: String, duration: Duration) {
        #expect(Quantity.duration(text) == duration)
    }

    @Test(arguments: [
        "", "15", "s", "-1s", "1 s", "1S", "1m1h", "1s1s", "1.s", ".5s", "1..5s", "1e3s", "99999999d", "1sec", "inf",
    ])
    func refusesWhatIsNoDuration(text: String) {
        #expect(Quantity.duration(text) == nil)
    }

    @Test(arguments: [
        ("0B", 0), ("512B", 512),
        ("64KiB", 65536), ("1MiB", 1_048_576), ("1.5 GiB", 1_610_612_736), ("10MB", 10_000_000),
    ])
    func readsSizes(text: String, bytes: Int) {
        #expect(Quantity.size(text) == bytes)
    }

    @Test(arguments: ["", "1", "MiB", "-1B", "1mib", "1 M", "1  KiB", "9999999999GiB"])
    func refusesWhatIsNoSize(text: String) {
        #expect(Quantity.size(text) == nil)
    }

    @Test(arguments: [
        Duration.zero, .seconds(1), .milliseconds(1500), .seconds(90061), .nanoseconds(1_000_001), .microseconds(3),
    ])
    func writesDurationsThatItReadsBack(duration: Duration) {
        #expect(Quantity.duration(Quantity.text(duration)) == duration)
    }

    @Test(arguments: [0, 1, 1000, 1024, 1536, 1 << 20, 64 << 20, 3 << 30])
    func writesSizesThatItReadsBack(bytes: Int) {
        #expect(Quantity.size(Quantity.text(bytes: bytes)) == bytes)
    }
}

@Suite struct NearestWordTests {
    @Test(arguments: [
        ("leaseDuratoin", "leaseDuration"), ("leaseduration", "leaseDuration"), ("lease", "leaseDuration"),
        ("retainSuceeded", "retainSucceeded"), ("slot", "slots"),
    ])
    func findsWhatWasMeant(word: String, expected: String) {
        #expect(NearestWord.to(word, among: ["leaseDuration", "retainSucceeded", "slots"]) == expected)
    }

    @Test(arguments: ["", "x", "timeout", "priority"])
    func suggestsNothingFarFetched(word: String) {
        #expect(NearestWord.to(word, among: ["leaseDuration", "retainSucceeded", "slots"]) == nil)
    }
}

@Suite struct EndpointAddressTests {
    @Test(arguments: [
        ("tcp://127.0.0.1:7400", true, "tcp://127.0.0.1:7400"), ("tcp://localhost:1", true, "tcp://localhost:1"),
        ("tcp://[::1]:7400", true, "tcp://[::1]:7400"), ("ipc:///run/m.sock", true, "ipc:///run/m.sock"),
        ("tcp://0.0.0.0:7400", false, "tcp://127.0.0.1:7400"), ("tcp://[::]:7400", false, "tcp://[::1]:7400"),
        ("tcp://10.1.2.3:7400", false, "tcp://10.1.2.3:7400"),
        ("tcp://127.evil.example:7400", false, "tcp://127.evil.example:7400"),
    ])
    func knowsWhatIsOpenToOtherMachines(text: String, isLoopback: Bool, dialable: String) throws {
        let address = try #require(EndpointAddress(text))
        #expect(address.description == text)
        #expect(address.isLoopback == isLoopback)
        #expect(address.dialable.description == dialable)
    }

    @Test(arguments: [
        "", "127.0.0.1:7400", "http://a:1", "tcp://a", "tcp://a:99999", "tcp://:7400", "tcp://::1:7400", "ipc://x",
        "tcp://a b:1", "tcp://a:1/x",
    ])
    func refusesWhatIsNoAddress(text: String) {
        #expect(EndpointAddress(text) == nil)
        #expect(EndpointAddress.problem(text) != nil)
    }
}
