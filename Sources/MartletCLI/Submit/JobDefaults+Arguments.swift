import MartletCore
import MartletJSON

/// The options that few jobs have, from the command line.
extension JobDefaults {
    /// From the command line.
    mutating func read(_ arguments: ParsedArguments) throws(CommandError) {
        self.time = try arguments.time("at")
        if self.time != nil, self.delay != nil {
            throw .usage("--at and --delay say two things", fix: "leave one out")
        }
        self.rare.expiry = try arguments.duration("expiry", in: Self.timeoutRange)
        self.rare.retention = try arguments.duration("retain", in: Self.delayRange)
        if let key = arguments.string("unique") { self.changeUnique { $0.key = key } }
        if let window = try arguments.duration("unique-for", in: Self.timeoutRange) {
            self.changeUnique { $0.window = .afterSuccess(window) }
        }
        if let name = arguments.string("on-duplicate"),
            let known = Self.conflicts.first(where: { $0.name == name })
        {
            self.changeUnique { $0.conflict = known.conflict }
        }
        self.rare.batch = try arguments.batchID("batch")
        self.rare.group = arguments.string("group")
        self.rare.key = arguments.string("key")
        self.rare.isOrdered = arguments.flag("ordered")
        self.rare.tags = arguments.strings("tag")
        if arguments.flag("service") {
            do {
                self.rare.services = Boxed(try Self.services(arguments.strings("service")))
            } catch {
                throw .usage("--service: \(error.cause)", fix: error.fix)
            }
        }
        for text in arguments.strings("meta") {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else {
                throw .usage("--meta: \"\(text)\" is no NAME=VALUE", fix: "write --meta NAME=VALUE")
            }
            self.rare.metadata[String(parts[0])] = String(parts[1])
        }
        // A line of a file may name what is missing.
        guard !arguments.flag("from") else { return }
        do { try self.finish() } catch { throw .usage(error.cause, fix: error.fix) }
    }
}
