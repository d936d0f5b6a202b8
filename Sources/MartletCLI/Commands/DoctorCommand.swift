import Martlet
import MartletConfiguration
import MartletCore
import MartletJSON
import MartletRuntime
import MartletWire

/// `martlet doctor`: finds out why a cluster does not work.
enum DoctorCommand {
    static let spec = CommandSpec(
        name: "doctor", summary: "check configuration, ports, store, clock and reachability",
        discussion: [
            "Run it on the machine that has the trouble, with the same configuration and user as the coordinator or "
                + "worker. It changes nothing. Exits 1 if a check fails."
        ],
        options: CommandTree.connectionOptions,
        examples: [.init(command: "martlet doctor", meaning: "Is everything in order here?")],
        action: Self.run)

    struct Finding: Hashable, Sendable {
        enum Verdict: String, Sendable {
            case ok
            case warning
            case failed
        }

        let check: String
        let verdict: Verdict
        let text: String
        var fix: String?
    }

    @Sendable private static func run(_ arguments: ParsedArguments, _ context: CommandContext) async throws {
        var findings: [Finding] = []
        func add(_ finding: Finding) {
            findings.append(finding)
            context.console.print(Self.line(finding, context))
            if let fix = finding.fix, !context.isJSON {
                context.console.print("           \(HumanText.printable(fix))")
            }
        }
        do {
            let loaded = try context.loadConfiguration()
            let name = loaded.file ?? "no cluster.json here: defaults"
            add(Finding(check: "configuration", verdict: .ok, text: name))
            add(Self.token(loaded))
            let client = Self.clientSide(arguments, context, loaded)
            let reached = await Self.reach(arguments, context)
            for finding in client + Self.listeners(loaded, isRunning: reached.pong != nil) { add(finding) }
            if let finding = Self.http(loaded, isRunning: reached.pong != nil) { add(finding) }
            add(Self.store(loaded, isRunning: reached.pong != nil))
            for finding in reached.findings { add(finding) }
        } catch {
            add(Finding(check: "configuration", verdict: .failed, text: error.cause, fix: error.fix))
        }
        let failed = findings.filter { $0.verdict == .failed }.count
        if failed > 0 { throw CommandError(.failure, "\(HumanText.count(failed, "check")) failed", fix: "see above") }
    }

    static func line(_ finding: Finding, _ context: CommandContext) -> String {
        if context.isJSON {
            return JSONOutput.object([
                ("check", .string(finding.check)), ("verdict", .string(finding.verdict.rawValue)),
                ("text", .string(finding.text)), ("fix", .optional(finding.fix)),
            ]).text
        }
        let style = context.console.output
        let mark =
            switch finding.verdict {
            case .ok: style.apply(.green, "ok     ")
            case .warning: style.apply(.yellow, "warning")
            case .failed: style.apply(.red, "FAILED ")
            }
        return "\(mark)  \(style.apply(.bold, finding.check)): \(HumanText.printable(finding.text))"
    }

    // MARK: Checks

    private static func token(_ loaded: LoadedConfiguration) -> Finding {
        do {
            guard try loaded.token() != nil else {
                return Finding(check: "token", verdict: .ok, text: "none; only this machine can connect")
            }
        } catch {
            return Finding(check: "token", verdict: .failed, text: error.cause, fix: error.fix)
        }
        if loaded.environment["MARTLET_TOKEN"] == nil, let file = loaded.configuration.tokenFile {
            let path = ConfigurationLoader.resolve(file, besides: loaded.file)
            if FileCheck.isReadableByOthers(path) {
                return Finding(
                    check: "token", verdict: .warning, text: "other users can read \(path)", fix: "chmod 600 \(path)")
            }
            return Finding(check: "token", verdict: .ok, text: path)
        }
        return Finding(check: "token", verdict: .ok, text: "MARTLET_TOKEN")
    }

    /// An address other than the one in cluster.json deserves a word.
    private static func clientSide(
        _ arguments: ParsedArguments, _ context: CommandContext, _ loaded: LoadedConfiguration
    ) -> [Finding] {
        do {
            let address = try CoordinatorSession.address(arguments, context, loaded)
            guard address != loaded.configuration.connect.clients else { return [] }
            return [Finding(check: "address", verdict: .ok, text: "\(address), not the one in the configuration")]
        } catch {
            return [Finding(check: "address", verdict: .failed, text: error.cause, fix: error.fix)]
        }
    }

    private static func listeners(_ loaded: LoadedConfiguration, isRunning: Bool) -> [Finding] {
        let listen = loaded.configuration.listen
        return [("client port", listen.clients), ("node port", listen.nodes)].map { check, address in
            guard let problem = Reachability.bindProblem(address) else {
                return isRunning
                    ? Finding(check: check, verdict: .ok, text: "\(address) is free here; the coordinator is elsewhere")
                    : Finding(check: check, verdict: .ok, text: "\(address) is free")
            }
            if isRunning, problem.hasPrefix("in use") {
                return Finding(check: check, verdict: .ok, text: "\(address) is served")
            }
            return Finding(
                check: check, verdict: .failed, text: "cannot listen at \(address): \(problem)",
                fix: problem.hasPrefix("in use")
                    ? "stop what listens there, or change \"listen\" in cluster.json"
                    : "change \"listen\" in cluster.json")
        }
    }

    private static func store(_ loaded: LoadedConfiguration, isRunning: Bool) -> Finding {
        guard case .sqlite(let path) = loaded.configuration.store else {
            return Finding(
                check: "store", verdict: .warning, text: "in memory: jobs are gone when the coordinator ends",
                fix: "set store.kind to \"sqlite\" to keep them")
        }
        let file = ConfigurationLoader.resolve(path, besides: loaded.file)
        if let problem = FileCheck.writeProblem(file) {
            return Finding(
                check: "store", verdict: .failed, text: "cannot write \(file): \(problem)",
                fix: "check store.path, and that this user may write there")
        }
        let free = FileCheck.freeBytes(besides: file)
        let size = FileCheck.size(file).map { HumanText.size($0) } ?? "not made yet"
        let text = "\(file) (\(size)), \(free.map { HumanText.size($0) } ?? "unknown space") free"
        if let free, free < 256 << 20 {
            return Finding(check: "store", verdict: .warning, text: text, fix: "make room: submits fail on a full disk")
        }
        return Finding(check: "store", verdict: .ok, text: text)
    }

    private static func http(_ loaded: LoadedConfiguration, isRunning: Bool) -> Finding? {
        guard case .at(let address) = loaded.configuration.http.listen else {
            return Finding(check: "HTTP port", verdict: .ok, text: "off")
        }
        let text = ClusterConfiguration.HTTP.text(of: address)
        guard let problem = Reachability.bindProblem(address) else {
            return isRunning
                ? Finding(
                    check: "HTTP port", verdict: .warning,
                    text: "nobody answers at \(text) here: the coordinator is elsewhere, or does without HTTP",
                    fix: "its log says why when it starts")
                : Finding(check: "HTTP port", verdict: .ok, text: "\(text) is free")
        }
        if isRunning, problem.hasPrefix("in use") {
            return Finding(check: "HTTP port", verdict: .ok, text: "\(text) is served")
        }
        return Finding(
            check: "HTTP port", verdict: .failed, text: "cannot listen at \(text): \(problem)",
            fix: "change \"http.listen\" in cluster.json, or set it to off")
    }

    private static func reach(
        _ arguments: ParsedArguments, _ context: CommandContext
    ) async -> (pong: Pong?, findings: [Finding]) {
        do {
            return try await CoordinatorSession.use(arguments, context) { session in
                let start = session.loop.now
                let sent = session.wallTime
                let pong = try await session.client.ping()
                let trip = session.loop.now - start
                let queues = (try? await session.client.queues()) ?? []
                var findings = [Self.coordinator(pong, session.client.address, trip)]
                findings.append(Self.clock(pong, sent: sent, trip: trip))
                findings.append(await Self.nodes(session))
                findings += Self.work(pong, queues)
                return (pong, findings)
            }
        } catch let error as CommandError {
            return (nil, [Finding(check: "coordinator", verdict: .failed, text: error.cause, fix: error.fix)])
        } catch {
            return (nil, [Finding(check: "coordinator", verdict: .failed, text: "\(error)")])
        }
    }

    static func coordinator(_ pong: Pong, _ address: EndpointAddress, _ trip: Duration) -> Finding {
        let micros = trip.wholeMicroseconds
        let answer = micros < 10_000 ? "\(Double(micros / 10) / 100)ms" : HumanText.duration(trip)
        let text = "version \(pong.version) at \(address), up \(HumanText.duration(pong.uptime)), answered in \(answer)"
        guard pong.version == MartletVersion.current else {
            return Finding(
                check: "coordinator", verdict: .warning, text: "\(text); this is \(MartletVersion.current)",
                fix: "run the same version everywhere")
        }
        return Finding(check: "coordinator", verdict: .ok, text: text)
    }

    /// The coordinator's clock against this machine's, give or take half a round trip.
    static func clock(_ pong: Pong, sent: WallTime, trip: Duration) -> Finding {
        let offset = pong.wallTime - (sent + trip / 2)
        let size = offset < .zero ? .zero - offset : offset
        guard size - trip / 2 > .seconds(2) else {
            return Finding(check: "clock", verdict: .ok, text: "within 2s of the coordinator's")
        }
        return Finding(
            check: "clock", verdict: .warning,
            text: "\(HumanText.duration(size)) \(offset < .zero ? "ahead of" : "behind") the coordinator's",
            fix: "synchronise clocks (NTP); delays count on the submitter's clock, leases do not")
    }

    private static func nodes(_ session: CoordinatorSession) async -> Finding {
        let address = session.loaded.configuration.connect.nodes
        if await session.isAnswered(at: address, token: try? session.loaded.token()) {
            return Finding(check: "workers' address", verdict: .ok, text: "\(address) can be reached")
        }
        let problem = Reachability.probe(address, timeout: .seconds(2)).problem ?? "no coordinator answers there"
        return Finding(
            check: "workers' address", verdict: .failed, text: "cannot reach \(address): \(problem)",
            fix: "set \"connect.nodes\" in cluster.json, or open the port")
    }

    static func work(_ pong: Pong, _ queues: [QueueView]) -> [Finding] {
        var findings: [Finding] = []
        let state = "\(HumanText.count(pong.nodeCount, "worker")), \(HumanText.count(pong.pendingCount, "pending job"))"
        findings.append(
            pong.isRecovered
                ? Finding(check: "cluster", verdict: .ok, text: state)
                : Finding(
                    check: "cluster", verdict: .warning,
                    text: "\(state); waiting for workers known from before its restart",
                    fix: "it goes on by itself when they are back or their leases have ended"))
        for queue in queues where queue.ready > 0 && queue.nodeCount == 0 {
            findings.append(
                Finding(
                    check: "queue \(queue.queue)", verdict: .warning,
                    text: "\(HumanText.count(queue.ready, "ready job")) of type \(queue.type), but no worker runs them",
                    fix: "start one: martlet worker --type \(queue.type) --exec COMMAND"))
        }
        return findings
    }
}
