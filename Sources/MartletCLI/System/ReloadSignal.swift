@preconcurrency import Dispatch

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// SIGHUP as a wish to read the configuration again.
final class ReloadSignal: Sendable {
    private let source: any DispatchSourceSignal
    /// One element for each time, or for several that come at once.
    let wishes: AsyncStream<Void>

    init() {
        // The default action would end the process before the source hears of it.
        signal(SIGHUP, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: SIGHUP, queue: DispatchQueue(label: "reload"))
        let (wishes, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        source.setEventHandler { continuation.yield() }
        source.resume()
        self.source = source
        self.wishes = wishes
    }

    deinit {
        self.source.cancel()
    }
}
