import MartletConfiguration
import MartletCore
import MartletJSON
import MartletTransport
import MartletWire

/// `martlet jobs export`: jobs with all that is known of them, as JSON lines.
enum ExportCommand {
    static let spec = CommandSpec(
        name: "export", summary: "print jobs in full, a JSON object a line",
        discussion: [
            "Each line has the job's state and options, its payload, its result and its failed attempts. A payload or "
                + "result that is JSON stands there as it is; any other is written in base64, as payloadBase64 or "
                + "resultBase64. Jobs are read one by one as they are printed, so that a great many need no memory; one "
                + "that goes meanwhile is left out.",
            "This is for archives and tools: \"martlet submit --from\" reads files of new jobs, not these.",
        ],
        options: JobsCommand.filterOptions + [.option("after", "ID", "Go on after this job")]
            + CommandTree.connectionOptions,
        examples: [
            .init(command: "martlet jobs export --state dead > dead.jsonl", meaning: "Save what was given up.")
        ],
        action: Self.run)

    @Sendable private static func run(_ arguments: ParsedArguments, _ context: CommandContext) async throws {
        let queue = try arguments.name("queue")
        let type = try arguments.name("type")
        let state = arguments.string("state").flatMap(JobText.state(named:))
        let start = try arguments.string("after").map(ParsedArguments.jobID)
        try await CoordinatorSession.use(arguments, context) { session in
            var after = start
            repeat {
                let page = try await session.client.jobs(
                    ListJobs(state: state, queue: queue, type: type, after: after, limit: 200))
                for job in page.jobs {
                    guard let detail = try await session.client.jobIfThere(job.id) else { continue }
                    context.console.print(Self.line(detail).text)
                }
                after = page.next
            } while after != nil
        }
    }

    /// Nothing of it is lost, whatever its bytes are.
    static func line(_ detail: JobDetail) -> JSONOutput {
        guard case .object(let members) = ViewJSON.job(detail) else { return .null }
        return .object(
            members.map { name, value in
                switch name {
                case "payload": Self.member(name, detail.payload, value)
                case "result": detail.result.map { Self.member(name, $0, value) } ?? (name, .null)
                default: (name, value)
                }
            })
    }

    private static func member(_ name: String, _ bytes: Bytes, _ value: JSONOutput) -> (String, JSONOutput) {
        if case .raw = value { return (name, value) }
        return (name + "Base64", .string(Self.base64(bytes.array)))
    }

    /// RFC 4648.
    static func base64(_ bytes: [UInt8]) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let count = min(3, bytes.count - start)
            var group = 0
            for offset in 0..<3 { group = group << 8 | (offset < count ? Int(bytes[start + offset]) : 0) }
            for place in 0..<4 {
                text.append(place <= count ? digits[group >> (18 - 6 * place) & 63] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
