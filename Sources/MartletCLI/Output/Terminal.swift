#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// The process's own terminal.
enum Terminal {
    static func isTerminal(_ channel: Console.Channel) -> Bool { isatty(Self.descriptor(channel)) == 1 }

    static var isInputTerminal: Bool { isatty(STDIN_FILENO) == 1 }

    /// Columns; 80 if the terminal does not say.
    static func width(of channel: Console.Channel) -> Int {
        var size = winsize()
        guard ioctl(Self.descriptor(channel), UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// Writes all of it. A reader that is gone ends the process by SIGPIPE, as it should; other errors have
    /// nowhere to be told.
    static func write(_ text: String, to channel: Console.Channel) {
        var text = text
        text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while !rest.isEmpty {
                let count = systemWrite(Self.descriptor(channel), rest)
                if count > 0 {
                    rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
                } else if errno != EINTR {
                    return
                }
            }
        }
    }

    /// One line from standard input, without its end; nil at its end.
    static func readInputLine() -> String? { Swift.readLine() }

    private static func descriptor(_ channel: Console.Channel) -> CInt {
        channel == .output ? STDOUT_FILENO : STDERR_FILENO
    }
}

private func systemWrite(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer) -> Int {
    write(descriptor, bytes.baseAddress, bytes.count)
}
