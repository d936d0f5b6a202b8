#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Looks at files without changing them.
enum FileCheck {
    /// Why `path` could not be written or made, or nil if it could.
    static func writeProblem(_ path: String) -> String? {
        if access(path, F_OK) == 0 { return access(path, R_OK | W_OK) == 0 ? nil : Self.reason(errno) }
        let folder = Self.folder(of: path)
        return access(folder, W_OK | X_OK) == 0 ? nil : "folder \(folder): \(Self.reason(errno))"
    }

    static func size(_ path: String) -> Int? {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : nil
    }

    static func isReadableByOthers(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & (S_IRGRP | S_IROTH) != 0
    }

    /// Space that this user may fill on the disk that holds `path`.
    static func freeBytes(besides path: String) -> Int? {
        var status = statvfs()
        guard statvfs(Self.folder(of: path), &status) == 0 else { return nil }
        return Int(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize))
    }

    /// Whether a program of this name can be run: a path that is executable, or a name found on PATH.
    static func isExecutable(_ program: String, searchPath: String) -> Bool {
        if program.contains("/") { return access(program, X_OK) == 0 }
        return searchPath.split(separator: ":", omittingEmptySubsequences: false).contains {
            access("\($0.isEmpty ? "." : $0)/\(program)", X_OK) == 0
        }
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func reason(_ code: CInt) -> String {
        switch code {
        case ENOENT: "no such file"
        case EACCES: "permission denied"
        default: String(cString: strerror(code)).lowercased()
        }
    }
}
