import MartletCore

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Finds and reads the files that a configuration is made of.
package enum ConfigurationLoader {
    /// `cluster.json`, looked for in the working directory unless another file is named.
    package static let defaultFile = "cluster.json"
    package static let fileBytesMax = 16 << 20
    package static let tokenBytesMin = 16
    package static let tokenBytesMax = 4096
    /// Of a file that holds several.
    package static let tokenFileBytesMax = 64 << 10

    /// Reads the configuration.
    ///
    /// - Parameters:
    ///   - file: nil takes `MARTLET_CONFIG`, else `cluster.json`, else, if that is not there, the defaults.
    /// - Returns: the configuration and the file that it came from, nil for the defaults.
    package static func load(
        file: String?, environment: [String: String]
    ) throws(ConfigurationError) -> (configuration: ClusterConfiguration, file: String?) {
        let hasToken = !(environment["MARTLET_TOKEN"] ?? "").isEmpty
        let named = file ?? environment["MARTLET_CONFIG"].flatMap { $0.isEmpty ? nil : $0 }
        let name = named ?? Self.defaultFile
        let source: [UInt8]
        switch Self.read(name, bytesMax: Self.fileBytesMax) {
        case .success(let bytes): source = bytes
        case .failure(let problem) where problem.isMissing && named == nil:
            return (try ClusterConfiguration(hasTokenInEnvironment: hasToken), nil)
        case .failure(let problem):
            throw ConfigurationError(
                cause: "cannot read \(name): \(problem.message)",
                fix: problem.isMissing
                    ? "check the name\(file == nil ? " in MARTLET_CONFIG" : ""), or leave it out to use the defaults"
                    : "make it a readable file")
        }
        return (try ClusterConfiguration(json: source, file: name, hasTokenInEnvironment: hasToken), name)
    }

    /// Reads the cluster token: `MARTLET_TOKEN`, else the configured file, else none. White space around it in
    /// the file does not count. A relative name counts from the configuration's folder.
    package static func token(
        for configuration: ClusterConfiguration, configurationFile: String?, environment: [String: String]
    ) throws(ConfigurationError) -> [UInt8]? {
        if let token = environment["MARTLET_TOKEN"], !token.isEmpty {
            return try Self.checked(Array(token.utf8), source: "MARTLET_TOKEN")
        }
        guard let tokenFile = configuration.tokenFile else { return nil }
        let path = Self.resolve(tokenFile, besides: configurationFile)
        switch Self.read(path, bytesMax: Self.tokenBytesMax + 64) {
        case .success(let bytes):
            let isSpace: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0D).contains($0) }
            let head = bytes.drop(while: isSpace)
            let end = head.lastIndex { !isSpace($0) }.map { $0 + 1 } ?? head.startIndex
            return try Self.checked(Array(head[..<end]), source: path)
        case .failure(let problem):
            throw ConfigurationError(
                path: "tokenFile", cause: "cannot read \(path): \(problem.message)",
                fix: problem.isMissing
                    ? "create it, for example with: head -c 32 /dev/urandom | base64 > \(path)"
                    : "make it readable for this user",
                file: configurationFile)
        }
    }

    /// Reads a file of bearer tokens, one a line. White space around them, and empty lines, do not count.
    ///
    /// - Parameter key: what names the file, for errors.
    package static func tokens(
        in file: String, key: String, configurationFile: String?
    ) throws(ConfigurationError) -> [[UInt8]] {
        let path = Self.resolve(file, besides: configurationFile)
        switch Self.read(path, bytesMax: Self.tokenFileBytesMax) {
        case .failure(let problem):
            throw ConfigurationError(
                path: key, cause: "cannot read \(path): \(problem.message)",
                fix: problem.isMissing
                    ? "create it, for example with: head -c 32 /dev/urandom | base64 > \(path)"
                    : "make it readable for this user",
                file: configurationFile)
        case .success(let bytes):
            let isSpace: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
            var tokens: [[UInt8]] = []
            for line in bytes.split(separator: 0x0A) {
                let token = Array(line.drop(while: isSpace).reversed().drop(while: isSpace).reversed())
                if !token.isEmpty { tokens.append(try Self.checked(token, source: path)) }
            }
            guard !tokens.isEmpty else {
                throw ConfigurationError(
                    path: key, cause: "\(path) holds no token",
                    fix: "write one into it: head -c 32 /dev/urandom | base64 > \(path)", file: configurationFile)
            }
            return tokens
        }
    }

    /// `path` itself if it is absolute, else seen from the folder that holds the configuration file.
    package static func resolve(_ path: String, besides configurationFile: String?) -> String {
        guard !path.hasPrefix("/"), let configurationFile, let slash = configurationFile.lastIndex(of: "/") else {
            return path
        }
        return String(configurationFile[...slash]) + path
    }

    private static func checked(_ token: [UInt8], source: String) throws(ConfigurationError) -> [UInt8] {
        guard (Self.tokenBytesMin...Self.tokenBytesMax).contains(token.count) else {
            throw ConfigurationError(
                cause: "the token in \(source) has \(token.count) bytes",
                fix: "use \(Self.tokenBytesMin) to \(Self.tokenBytesMax) bytes, as from: "
                    + "head -c 32 /dev/urandom | base64")
        }
        guard String(validating: token, as: UTF8.self) != nil else {
            throw ConfigurationError(
                cause: "the token in \(source) is not text",
                fix: "encode it, as in: head -c 32 /dev/urandom | base64")
        }
        return token
    }

    private struct ReadProblem: Error {
        let message: String
        let isMissing: Bool
    }

    private static func read(_ path: String, bytesMax: Int) -> Result<[UInt8], ReadProblem> {
        func failure(_ code: CInt) -> Result<[UInt8], ReadProblem> {
            .failure(ReadProblem(message: Self.reason(code), isMissing: code == ENOENT))
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return failure(errno) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = chunk.withUnsafeMutableBytes { systemRead(descriptor, $0.baseAddress, $0.count) }
            if count == 0 { return .success(bytes) }
            if count < 0 {
                if errno == EINTR { continue }
                return failure(errno)
            }
            bytes.append(contentsOf: chunk[..<count])
            guard bytes.count <= bytesMax else {
                return .failure(ReadProblem(message: "longer than \(Quantity.text(bytes: bytesMax))", isMissing: false))
            }
        }
    }

    private static func reason(_ code: CInt) -> String {
        switch code {
        case ENOENT: "no such file"
        case EACCES: "permission denied"
        case EISDIR: "it is a folder"
        default: String(cString: strerror(code)).lowercased()
        }
    }
}

/// `read(2)`, under a name that the method `read` does not hide.
private func systemRead(_ descriptor: CInt, _ buffer: UnsafeMutableRawPointer?, _ count: Int) -> Int {
    read(descriptor, buffer, count)
}
