package import MartletCore
import Synchronization

/// Numbers lanes and resolves what their jobs have in common, once for each lane and set of options.
package final class LaneDirectory: Sendable {
    private struct TraitsKey: Hashable {
        let lane: LaneID
        let options: JobOptions
    }

    private struct State {
        var table: LaneTable
        var traits: [TraitsKey: JobTraits] = [:]
        /// The limits of services that are in force.
        var services: [String: ServiceLimits]
    }

    private let settings: CoordinatorSettings
    /// How many jobs may be with nodes at once, and how groups share.
    package let limits: DispatchLimits
    private let state: Mutex<State>
    /// Resolved traits kept for reuse; beyond it they are made anew.
    private static let traitsMax = 4096

    package init(settings: CoordinatorSettings, recovered: [LaneKey]) {
        self.settings = settings
        self.limits = settings.dispatchLimits
        self.state = Mutex(
            State(
                table: LaneTable(lanesMax: settings.lanesMax, recovered: recovered), services: settings.services))
    }

    package var count: Int { self.state.withLock { $0.table.keys.count } }

    package var keys: [LaneKey] { self.state.withLock { $0.table.keys } }

    package func key(of id: LaneID) -> LaneKey { self.state.withLock { $0.table[id] } }

    package func id(of key: LaneKey) -> LaneID? { self.state.withLock { $0.table.id(of: key) } }

    /// The traits of a template, its lane made if need be; nil if there are too many lanes.
    package func traits(of template: JobTemplate) -> JobTraits? {
        self.state.withLock { state in
            guard let lane = state.table.intern(template.lane) else { return nil }
            return self.traits(lane: lane, options: template.options, in: &state)
        }
    }

    // MARK: Services

    /// The limits of services that are in force.
    package var services: [String: ServiceLimits] {
        get { self.state.withLock { $0.services } }
        set { self.state.withLock { $0.services = newValue } }
    }

    /// Why no job can have these options: it uses a service that is not there, or more of one than there ever is.
    package func serviceProblem(of options: JobOptions) -> String? {
        guard let uses = options.services, !uses.isEmpty else { return nil }
        let services = self.services
        for use in uses {
            guard let limits = services[use.service] else {
                let names = services.keys.sorted()
                let known = names.isEmpty ? "none is configured" : "known: \(names.joined(separator: ", "))"
                return "there is no service \"\(use.service)\"; \(known)"
            }
            let weightMax = limits.weightMax(hasKey: use.key != nil)
            if weightMax < use.weight {
                return
                    "a weight of \(use.weight) is more than a burst of service \(use.service), \(weightMax): it would never run"
            }
        }
        return nil
    }

    /// The traits of a job as the store keeps it.
    package func traits(lane: LaneID, options: JobOptions) -> JobTraits {
        self.state.withLock { self.traits(lane: lane, options: options, in: &$0) }
    }

    private func traits(lane: LaneID, options: JobOptions, in state: inout State) -> JobTraits {
        let traitsKey = TraitsKey(lane: lane, options: options)
        if let known = state.traits[traitsKey] { return known }
        let key = state.table[lane]
        let defaults = self.settings.typeDefaults[key.type]
        let traits = JobTraits(
            lane: lane, key: key, options: options,
            timeout: options.timeout ?? defaults?.timeout ?? JobOptions.defaultTimeout,
            retry: options.retry ?? defaults?.retry ?? .standard,
            retention: self.settings.retention(of: key.queue),
            isCapped: self.limits.isCapped(key) || !self.limits.services(of: options.share, type: key.type).isEmpty)
        // Nobody else will have the same.
        guard options.unique == nil else { return traits }
        if state.traits.count >= Self.traitsMax { state.traits.removeAll() }
        state.traits[traitsKey] = traits
        return traits
    }
}
