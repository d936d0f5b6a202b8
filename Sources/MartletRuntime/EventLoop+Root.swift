extension EventLoop {
    /// Starts a task that is nobody's child, with this loop as preferred executor.
    ///
    /// For the one task at the root of a long-lived part whose caller's cancellation asks for an orderly end: children
    /// of a cancelled task could neither finish their work nor take leave of a peer. Everything else is a child task.
    package final func startRoot<Value: Sendable>(
        _ body: @escaping @Sendable () async -> Value
    ) -> Task<Value, Never> {
        Task(executorPreference: self, operation: body)
    }
}
