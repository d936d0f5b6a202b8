package import MartletCore
import Synchronization

/// The lease sequence of one epoch, shared by the node queues.
package final class SharedLeaseSequence: Sendable {
    private let value = Mutex(LeaseSequence())

    package init() {}

    package func withValue<R: Sendable>(_ body: (inout sending LeaseSequence) -> sending R) -> R {
        self.value.withLock(body)
    }
}
