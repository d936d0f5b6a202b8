/// A value in a box of its own, shared by all copies: for what few of many have, so that the others pay a pointer.
package final class Boxed<Value: Hashable & Sendable>: Hashable, Sendable {
    package let value: Value

    package init(_ value: Value) {
        self.value = value
    }

    package static func == (a: Boxed, b: Boxed) -> Bool { a === b || a.value == b.value }
    package func hash(into hasher: inout Hasher) { hasher.combine(self.value) }
}
