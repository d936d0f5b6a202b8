#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// What the process was started with, and how it ends.
enum SystemEnvironment {
    static func variables() -> [String: String] {
        var variables: [String: String] = [:]
        #if canImport(Darwin)
            var entry = _NSGetEnviron().pointee
        #else
            guard var entry = environ as UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? else { return variables }
        #endif
        while let text = entry.pointee {
            let parts = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { variables[String(parts[0])] = String(parts[1]) }
            entry += 1
        }
        return variables
    }

    /// The machine's name up to its first dot.
    static func hostName() -> String {
        var buffer = [UInt8](repeating: 0, count: 256)
        let result = buffer.withUnsafeMutableBytes {
            gethostname($0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
        }
        let name = String(decoding: buffer.prefix { $0 != 0 && $0 != UInt8(ascii: ".") }, as: UTF8.self)
        return result == 0 && !name.isEmpty ? name : "host"
    }

    static func processID() -> Int32 { getpid() }

    static func exit(_ code: ExitCode) -> Never { systemExit(code.rawValue) }

    /// Without a word to anybody else in the process.
    static func exitAtOnce(_ code: ExitCode) -> Never { _exit(code.rawValue) }
}

private func systemExit(_ code: CInt) -> Never { exit(code) }
