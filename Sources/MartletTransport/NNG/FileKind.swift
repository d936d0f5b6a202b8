#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// What is at a path; a link counts as itself.
enum FileKind {
    case none
    case socket
    case other

    init(at path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            self = .none
            return
        }
        self = status.st_mode & S_IFMT == S_IFSOCK ? .socket : .other
    }
}
