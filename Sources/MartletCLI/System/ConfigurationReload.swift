import MartletConfiguration
import MartletCoordinator
import MartletObservability

/// What a coordinator that runs takes over of a `cluster.json` that has changed: services. It says so, and names what else
/// has changed and needs a restart.
actor ConfigurationReload {
    private let context: CommandContext
    private let log: Log
    private var known: ClusterConfiguration
    /// Set once it runs.
    private var desk: ServiceDesk?

    init(_ loaded: LoadedConfiguration, context: CommandContext, log: Log) {
        self.known = loaded.configuration
        self.context = context
        self.log = log
    }

    func begin(_ desk: ServiceDesk) { self.desk = desk }

    /// Reads the file again. One that makes no sense changes nothing.
    func reload() async {
        guard let desk = self.desk else {
            return self.log(.warning, "cluster.json is not read again: the coordinator is not ready yet")
        }
        let loaded: LoadedConfiguration
        do {
            loaded = try self.context.loadConfiguration()
        } catch {
            return self.log(.error, "cluster.json is not taken over: what was read before holds", [.cause: "\(error)"])
        }
        let changes = await desk.reload(loaded.configuration.services)
        for change in changes { self.log(.notice, "cluster.json has changed and is in force", [.cause: change]) }
        let others = Self.others(self.known, loaded.configuration)
        if !others.isEmpty {
            self.log(
                .warning, "cluster.json has changed where it needs a restart", [.name: others.joined(separator: ", ")])
        }
        if changes.isEmpty, others.isEmpty { self.log(.info, "cluster.json was read again: nothing has changed") }
    }

    /// Keys that have changed since the start, services left out.
    static func others(_ a: ClusterConfiguration, _ b: ClusterConfiguration) -> [String] {
        [
            ("listen", a.listen == b.listen), ("connect", a.connect == b.connect), ("http", a.http == b.http),
            ("tokenFile", a.tokenFile == b.tokenFile), ("store", a.store == b.store), ("limits", a.limits == b.limits),
            ("leases", a.leases == b.leases), ("dispatch", a.dispatch == b.dispatch),
            ("retention", a.retention == b.retention),
            ("queues", a.queues == b.queues), ("jobTypes", a.jobTypes == b.jobTypes),
            ("schedules", a.schedules == b.schedules), ("worker", a.worker == b.worker),
        ].filter { !$0.1 }.map(\.0)
    }
}
