import MartletObservability

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// What the system says of this process. Nothing where there is no `/proc`.
enum ProcessFigures {
    static func write(to text: inout MetricsText) {
        // Behind the name, which may hold spaces: state is field 3.
        let status = Self.read("/proc/self/stat").split(separator: ")").last?.split(separator: " ") ?? []
        let ticks = UInt64(max(1, sysconf(CInt(_SC_CLK_TCK))))
        let pageBytes = UInt64(max(1, sysconf(CInt(_SC_PAGESIZE))))
        func field(_ number: Int) -> UInt64? { status.count > number - 3 ? UInt64(status[number - 3]) : nil }
        if let user = field(14), let system = field(15) {
            text.write(.processCPU, Double(user + system) / Double(ticks))
        }
        if let pages = field(24) { text.write(.processMemory, pages * pageBytes) }
        if let files = Self.openFiles() { text.write(.processFiles, files) }
        var limit = rlimit()
        if getrlimit(Self.filesLimit, &limit) == 0 { text.write(.processFilesMax, UInt64(limit.rlim_cur)) }
        if let start = field(22), let boot = Self.bootTime() {
            text.write(.processStart, Double(boot) + Double(start) / Double(ticks))
        }
    }

    #if canImport(Glibc)
        private static let filesLimit = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #else
        private static let filesLimit = RLIMIT_NOFILE
    #endif

    private static func bootTime() -> UInt64? {
        for line in Self.read("/proc/stat").split(separator: "\n") where line.hasPrefix("btime ") {
            return UInt64(line.dropFirst(6))
        }
        return nil
    }

    private static func openFiles() -> Int? {
        guard let folder = opendir("/proc/self/fd") else { return nil }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        // Itself, and the two that every folder has.
        return max(0, count - 3)
    }

    private static func read(_ path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { _ = systemClose(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        while bytes.count < 1 << 20 {
            let count = chunk.withUnsafeMutableBytes { systemRead(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { break }
            bytes.append(contentsOf: chunk[..<count])
        }
        return String(decoding: bytes, as: UTF8.self)
    }

}

private func systemRead(_ descriptor: CInt, _ buffer: UnsafeMutableRawPointer?, _ count: Int) -> Int {
    read(descriptor, buffer, count)
}
