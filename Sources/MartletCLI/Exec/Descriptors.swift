#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import CSpawn
    import Glibc
#endif

/// File descriptors, closed in children.
enum Descriptors {
    enum Chunk {
        case bytes([UInt8])
        case notYet
        case end
    }

    /// Nil if there are no descriptors left.
    static func makePipe() -> (read: CInt, write: CInt)? {
        var ends: [CInt] = [-1, -1]
        #if canImport(Glibc)
            guard pipe2(&ends, O_CLOEXEC) == 0 else { return nil }
        #else
            guard pipe(&ends) == 0 else { return nil }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        #endif
        return (ends[0], ends[1])
    }

    static func setNonBlocking(_ descriptor: CInt) {
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    }

    static func closeAll(_ descriptors: [CInt]) {
        for descriptor in descriptors { close(descriptor) }
    }

    /// Writes what is taken at once.
    ///
    /// - Returns: how many bytes; nil if the other end takes none at the moment; 0 if it never will.
    static func writeSome(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer) -> Int? {
        while true {
            let count = write(descriptor, bytes.baseAddress, bytes.count)
            if count >= 0 { return count }
            if errno == EAGAIN { return nil }
            if errno != EINTR { return 0 }
        }
    }

    static func readSome(_ descriptor: CInt, bytesMax: Int = 65536) -> Chunk {
        var count = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: bytesMax) { buffer, filled in
            repeat { count = read(descriptor, buffer.baseAddress, bytesMax) } while count < 0 && errno == EINTR
            filled = max(0, count)
        }
        if count > 0 { return .bytes(bytes) }
        return count < 0 && errno == EAGAIN ? .notYet : .end
    }
}
