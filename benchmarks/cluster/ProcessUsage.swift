import CAllocationGauge
import Foundation

/// What a process has used of the machine so far.
struct ProcessUsage {
    struct Reading {
        var cpuSeconds: Double
        /// Nil if they are not counted.
        var allocations: Int?
        var residentMiB: Int

        static func - (after: Self, before: Self) -> Self {
            var used = after
            used.cpuSeconds -= before.cpuSeconds
            used.allocations = after.allocations.map { $0 - (before.allocations ?? 0) }
            return used
        }
    }

    /// Of the process that measures, in which the client is.
    static let own = ProcessUsage(pid: getpid(), gauge: nil)

    let pid: Int32
    /// Where the process writes its allocations when it is asked to.
    let gauge: String?

    func read() throws -> Reading {
        let status = try String(contentsOfFile: "/proc/\(self.pid)/status", encoding: .utf8)
        let resident = status.split(separator: "\n").first { $0.hasPrefix("VmRSS") } ?? ""
        // Behind the name in parentheses, which may hold anything.
        let stat = try String(contentsOfFile: "/proc/\(self.pid)/stat", encoding: .utf8)
        let fields = stat[stat.index(after: stat.lastIndex(of: ")")!)...].split(separator: " ")
        let ticks = Double(fields[11])! + Double(fields[12])!
        return Reading(
            cpuSeconds: ticks / Double(sysconf(Int32(_SC_CLK_TCK))), allocations: try self.allocations(),
            residentMiB: (Int(resident.split { !$0.isNumber }.first ?? "") ?? 0) / 1024)
    }

    private func allocations() throws -> Int? {
        if self.pid == getpid() { return AllocationReport.isCounting ? AllocationReport.count : nil }
        guard let gauge else { return nil }
        try? FileManager.default.removeItem(atPath: gauge)
        kill(self.pid, SIGUSR1)
        while true {
            if let text = try? String(contentsOfFile: gauge, encoding: .utf8), let count = Int(text) { return count }
            usleep(1000)
        }
    }
}

/// Counts this process's heap allocations and writes them to a file when it gets SIGUSR1.
enum AllocationReport {
    nonisolated(unsafe) private static var source: (any DispatchSourceSignal)?

    static var isCounting: Bool { allocation_gauge_is_counting_all() }
    static var count: Int { allocation_gauge_count_of_all() }

    static func path(folder: String, role: String) -> String { "\(folder)/allocations-\(role)" }

    static func begin() { allocation_gauge_count_all() }

    static func begin(_ settings: Settings, role: String) {
        guard settings.countsAllocations else { return }
        self.begin()
        signal(SIGUSR1, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: SIGUSR1, queue: .global())
        source.setEventHandler {
            let path = self.path(folder: settings.folder, role: role)
            try? Data("\(self.count)".utf8).write(to: URL(filePath: path), options: .atomic)
        }
        source.resume()
        self.source = source
    }
}
