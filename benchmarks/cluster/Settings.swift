import Foundation

/// What is measured, as given on the command line: `--name value` pairs.
struct Settings {
    /// How jobs are made and submitted.
    enum Style: String {
        /// Raw payloads, `batch` jobs a submit.
        case raw
        /// `Codable` jobs, `batch` a submit.
        case typed
        /// Raw payloads, one a submit, from `producers` tasks.
        case single
        /// Raw payloads that each name a service with room for them.
        case services
    }

    var jobs = 1_000_000
    var batch = 200
    var slots = 16
    var payload = 200
    var style = Style.raw
    /// Tasks that submit side by side.
    var producers = 8
    var samples = 500
    /// Worker sessions, all in one process.
    var nodes = 1
    /// Jobs that each may fetch ahead; 0.1.0 was measured with 4,096.
    var prefetch = 1024
    /// Queues over which the jobs are spread.
    var queues = 1
    /// Fairness groups over which the jobs are spread; 0 for none.
    var groups = 0
    /// Jobs that nobody runs, submitted before.
    var queued = 0
    /// Jobs that wait for a service of one call a second meanwhile.
    var blocked = 0
    /// Jobs a second that are submitted beside the samples of a latency.
    var load = 0
    /// Whether heap allocations are counted, which costs a little.
    var countsAllocations = false
    var json = false

    // For the other roles.
    var folder = ""
    var clientAddress = ""
    var nodeAddress = ""
    var echoAddress = ""

    init(_ arguments: [String]) {
        var rest = arguments.makeIterator()
        while let name = rest.next() {
            guard let value = rest.next() else { Self.fail("\(name) needs a value") }
            self.set(name, value)
        }
    }

    private mutating func set(_ name: String, _ value: String) {
        switch name {
        case "--jobs": self.jobs = Self.count(name, value)
        case "--batch": self.batch = Self.count(name, value)
        case "--slots": self.slots = Self.count(name, value)
        case "--payload": self.payload = Self.count(name, value)
        case "--producers": self.producers = Self.count(name, value)
        case "--samples": self.samples = Self.count(name, value)
        case "--nodes": self.nodes = Self.count(name, value)
        case "--prefetch": self.prefetch = Self.count(name, value)
        case "--queues": self.queues = Self.count(name, value)
        case "--groups": self.groups = Self.count(name, value)
        case "--queued": self.queued = Self.count(name, value)
        case "--blocked": self.blocked = Self.count(name, value)
        case "--load": self.load = Self.count(name, value)
        case "--allocations": self.countsAllocations = value == "yes"
        case "--json": self.json = value == "yes"
        case "--style":
            guard let style = Style(rawValue: value) else { Self.fail("there is no style \(value)") }
            self.style = style
        case "--folder": self.folder = value
        case "--client-address": self.clientAddress = value
        case "--node-address": self.nodeAddress = value
        case "--echo-address": self.echoAddress = value
        default: Self.fail("\(name) is no setting")
        }
    }

    /// For the processes that this one starts.
    var arguments: [String] {
        [
            "--folder", self.folder, "--client-address", self.clientAddress, "--node-address", self.nodeAddress,
            "--echo-address", self.echoAddress, "--slots", "\(self.slots)", "--nodes", "\(self.nodes)",
            "--prefetch", "\(self.prefetch)",
            "--allocations", self.countsAllocations ? "yes" : "no",
        ]
    }

    private static func count(_ name: String, _ value: String) -> Int {
        guard let count = Int(value), count >= 0 else { self.fail("\(name) needs a number, not \(value)") }
        return count
    }

    private static func fail(_ message: String) -> Never {
        FileHandle.standardError.write(Data("cluster-benchmark: \(message)\n".utf8))
        exit(2)
    }
}
