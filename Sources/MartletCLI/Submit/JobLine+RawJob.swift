import Martlet
import MartletConfiguration
import MartletJSON

extension JobLine {
    /// Reads a line for a client.
    ///
    /// - Parameters:
    ///   - keys: what an object may have beside ``keys``.
    ///   - take: is given the values of those.
    /// - Returns: nil for an empty line.
    static func rawJob(
        from line: [UInt8], defaults: JobDefaults, payloadMax: Int, keys: [String] = [],
        take: (String, JSONValue) throws -> Void = { _, _ in }
    ) throws(Problem) -> RawJob? {
        guard let draft = try Self.job(from: line, defaults: defaults, keys: keys, take: take) else { return nil }
        guard draft.payload.count <= payloadMax else {
            throw Problem(
                cause: "the payload of \(HumanText.size(draft.payload.count)) is over the limit of "
                    + HumanText.size(payloadMax),
                fix: "shorten it, or raise limits.payloadMax")
        }
        return RawJob(
            type: draft.type, queue: draft.queue, payload: Payload(copying: draft.payload), delay: draft.delay,
            at: draft.time, options: draft.options)
    }
}
