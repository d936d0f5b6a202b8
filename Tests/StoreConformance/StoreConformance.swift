package import MartletStore

/// What every store must do, as functions that a test target calls with its store.
package struct StoreConformance {
    package let makeStore: @Sendable () -> any JobStore

    package init(makeStore: @escaping @Sendable () -> any JobStore) {
        self.makeStore = makeStore
    }
}
