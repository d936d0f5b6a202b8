#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import CSpawn
    import Glibc
#endif

/// `posix_spawn` with what a job's program needs.
enum Spawn {
    #if canImport(Darwin)
        private typealias FileActions = posix_spawn_file_actions_t?
        private typealias Attributes = posix_spawnattr_t?
    #else
        private typealias FileActions = posix_spawn_file_actions_t
        private typealias Attributes = posix_spawnattr_t
    #endif

    /// Starts a program in a process group of its own, with default signal actions and none blocked.
    ///
    /// - Parameters:
    ///   - input: becomes its standard input.
    ///   - output: becomes its standard output.
    ///   - errors: becomes its standard error.
    /// - Returns: the process, or an error number.
    static func run(_ request: ChildRequest, input: CInt, output: CInt, errors: CInt) -> Result<pid_t, SpawnError> {
        #if canImport(Darwin)
            var actions: FileActions = nil
            var attributes: Attributes = nil
        #else
            var actions = FileActions()
            var attributes = Attributes()
        #endif
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO)
        #if canImport(Glibc)
            // Whatever else is open here is none of the program's business.
            posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1)
        #endif
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        // A blocked or ignored signal would be inherited.
        sigfillset(&signals)
        sigdelset(&signals, SIGKILL)
        sigdelset(&signals, SIGSTOP)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        var flags = CInt(POSIX_SPAWN_SETPGROUP) | CInt(POSIX_SPAWN_SETSIGMASK) | CInt(POSIX_SPAWN_SETSIGDEF)
        #if canImport(Darwin)
            flags |= CInt(POSIX_SPAWN_CLOEXEC_DEFAULT)
        #endif
        posix_spawnattr_setflags(&attributes, Int16(flags))
        posix_spawnattr_setpgroup(&attributes, 0)

        var processID = pid_t()
        let code = Self.withCStrings(request.command) { arguments in
            Self.withCStrings(request.environment) { environment in
                posix_spawnp(&processID, request.command[0], &actions, &attributes, arguments, environment)
            }
        }
        return code == 0 ? .success(processID) : .failure(SpawnError(number: code))
    }

    /// An array of C strings that ends with a null pointer, as `exec` wants it.
    private static func withCStrings<R>(
        _ strings: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> R
    ) -> R {
        var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        return pointers.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
    }
}

/// Why a program did not start.
struct SpawnError: Error, Hashable, Sendable, CustomStringConvertible {
    let number: CInt

    var description: String { String(cString: strerror(self.number)).lowercased() }
}
