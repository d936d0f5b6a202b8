import MartletConfiguration
import MartletCore
import Testing

@Suite struct ServiceConfigurationTests {
    private static func read(_ json: String) throws -> ClusterConfiguration {
        try ClusterConfiguration(json: Array(json.utf8))
    }

    private static func problem(_ json: String) -> String {
        do {
            _ = try Self.read(json)
            return "none"
        } catch let error as ConfigurationError {
            return "\(error.path): \(error.cause); \(error.fix)"
        } catch {
            return "\(error)"
        }
    }

    @Test func everythingThatAServiceMayHaveIsRead() throws {
        let configuration = try Self.read(
            """
            {"services": {"stripe": {
                "rate": 100, "per": "1s", "burst": 20, "concurrency": 10,
                "limits": [{"rate": 50000, "per": "1d", "burst": 1000}],
                "perKey": {"rate": 10, "concurrency": 2, "keysMax": 500},
                "adaptive": {"decrease": 0.7, "floor": 0.1, "step": 0.02, "stepInterval": "2s", "closedFor": "5s"},
                "breaker": {"failures": 9, "openFor": "1m"}}},
             "jobTypes": {"charge": {"services": {"stripe": 2}}}}
            """)
        let expected = ServiceLimits(
            rates: [
                RateLimit(tokens: 100, per: .seconds(1), burst: 20),
                RateLimit(tokens: 50_000, per: .seconds(86400), burst: 1000),
            ], concurrency: 10,
            perKey: KeyedLimits(
                rates: [RateLimit(tokens: 10, per: .seconds(1), burst: 1)], concurrency: 2, keysMax: 500),
            adaptive: AdaptiveLimits(
                decrease: 700, floor: 100, step: 20, stepInterval: .seconds(2), closedFor: .seconds(5)),
            breaker: BreakerLimits(failuresToOpen: 9, openFor: .seconds(60)))
        #expect(configuration.services == ["stripe": expected])
        #expect(configuration.jobTypes["charge"]?.services == [ServiceUse("stripe", weight: 2)])
    }

    @Test func whatIsLeftOutHasItsDefault() throws {
        let services = try Self.read(
            """
            {"services": {"a": {"rate": 40}, "b": {"concurrency": 1, "adaptive": {"enabled": false},
                "breaker": {"enabled": false}}}}
            """
        ).services
        #expect(services["a"] == ServiceLimits(rates: [RateLimit(tokens: 40, per: .seconds(1), burst: 4)]))
        #expect(services["b"] == ServiceLimits(concurrency: 1, adaptive: nil, breaker: nil))
    }

    @Test(arguments: [
        ("{\"rate\": 0}", "services.s.rate: 0 is out of range; use 1 to 1000000000"),
        ("{\"rate\": -3}", "services.s.rate: -3 is out of range; use 1 to 1000000000"),
        ("{\"rate\": 5, \"per\": \"0s\"}", "services.s.per: 0s is out of range; use 1ms to 31d"),
        ("{\"rate\": 5, \"brust\": 1}", "services.s.brust: unknown key; did you mean \"burst\"?"),
        (
            "{\"burst\": 5}",
            "services.s.burst: there is no \"rate\" that it belongs to; add \"rate\": 100, say, or remove it"
        ),
        (
            "{\"limits\": [{\"rate\": 1}, {\"rate\": 0}]}",
            "services.s.limits.1.rate: 0 is out of range; use 1 to 1000000000"
        ),
        ("{\"perKey\": {\"rat\": 1}}", "services.s.perKey.rat: unknown key; did you mean \"rate\"?"),
        ("{\"rate\": 1, \"adaptive\": {\"step\": 2}}", "services.s.adaptive.step: 2.0 is out of range; use 0.001 to 1"),
        (
            "{}", "services.s: nothing is limited: give a rate, a concurrency or limits per key; correct one of them"
        ),
        (
            "{\"rate\": 5, \"limits\": [{\"rate\": 9}]}",
            "services.s: two rates have the period 1s: keep the one that is meant; correct one of them"
        ),
        (
            "{\"concurrency\": 2, \"perKey\": {\"concurrency\": 3}}",
            "services.s: a key's concurrency of 3 is more than the service's 2; correct one of them"
        ),
    ])
    func badServiceIsRefusedWithItsPlaceAndTheReason(service: String, problem: String) {
        #expect(Self.problem("{\"services\": {\"s\": \(service)}}") == problem)
    }

    @Test func typesNameServicesThatAreThereAndTakeTheWeight() {
        let services = "\"services\": {\"stripe\": {\"rate\": 100, \"burst\": 4}}"
        func problem(_ uses: String) -> String {
            Self.problem("{\(services), \"jobTypes\": {\"charge\": {\"services\": \(uses)}}}")
        }
        #expect(problem("{\"stripe\": 4}") == "none")
        #expect(
            problem("{\"stirpe\": 1}")
                == "jobTypes.charge.services.stirpe: there is no service \"stirpe\"; did you mean \"stripe\"?")
        #expect(
            problem("{\"stripe\": 5}")
                == "jobTypes.charge.services.stripe: 5 tokens are never there at once: a burst is 4; "
                + "raise services.stripe.burst, or lower the weight")
        #expect(problem("{\"stripe\": 0}").hasPrefix("jobTypes.charge.services.stripe: 0 is out of range"))
        #expect(
            Self.problem("{\"services\": {\"a:b\": {\"rate\": 1}}}").hasPrefix("services.a:b: the service name has"))
    }

    /// An error in a list points at its element.
    @Test func errorsInAListHaveTheirPosition() {
        let error = #expect(throws: ConfigurationError.self) {
            try Self.read("{\"services\": {\"s\": {\"limits\": [\n{\"rate\": 1},\n  {\"rate\": 0}]}}}")
        }
        #expect(error?.position?.line == 3)
    }
}
