import Martlet
import MartletCoordinator
import MartletCore
import MartletRuntime
import MartletStore

/// What a client does to jobs and queues beside submitting.
extension SimulatedClient {
    private static let targets: [Pause.Target] = [.queue("capped"), .type("alpha"), .queue("q")]

    /// Cancels, puts off, hastens or moves a job of its own, or all of a group.
    func changeSomething(_ client: Client, of ids: [JobID]) async {
        let world = self.cluster.world
        guard !ids.isEmpty, world.random.chance(0.6) else { return }
        let witness = self.cluster.witness
        let id = ids[max(0, ids.count - 1 - world.random.below(12))]
        switch world.random.below(20) {
        case 0..<6:
            guard (try? await client.cancel(id)) == true else { return }
            witness.count(.jobCancelled)
            witness.cancelAcknowledged(id)
        case 6..<11:
            let delay = world.random.chance(0.4) ? Duration.zero : world.random.duration(.milliseconds(10), .seconds(4))
            if (try? await client.reschedule(id, delay: delay)) == true { witness.count(.jobRescheduled) }
        case 11..<18:
            let priority = Priority(rawValue: UInt8(world.random.below(10)))!
            if (try? await client.setPriority(priority, of: id)) == true { witness.count(.priorityChanged) }
        case 18:
            let query = JobQuery(group: "g\(world.random.below(3))")
            if let change = try? await client.setPriority(.normal, where: query) { witness.bulkAcknowledged(change) }
        default:
            let query = JobQuery(queue: "capped", olderThan: .seconds(2))
            if let change = try? await client.cancel(where: query) { witness.bulkAcknowledged(change) }
        }
    }

    /// Revives or removes a job of its own, all that match, or what waits in a queue.
    func changeWhatEnded(_ client: Client, of ids: [JobID]) async {
        let world = self.cluster.world
        guard !ids.isEmpty, world.random.chance(0.25) else { return }
        let witness = self.cluster.witness
        let id = ids[world.random.below(ids.count)]
        let change: BulkChange?
        switch world.random.below(12) {
        case 0, 1:
            if (try? await client.retry(id)) == true { witness.retryAcknowledged(id) }
            return
        case 2, 3:
            if (try? await client.delete(id)) == true { witness.deleteAcknowledged(id) }
            return
        case 4..<8: change = try? await client.retry(where: self.nextQuery())
        case 8..<10: change = try? await client.delete(where: self.nextQuery())
        case 10: change = try? await client.purge(queue: world.random.chance(0.3) ? "q" : "capped")
        default:
            var query = self.nextQuery()
            query.olderThan = .seconds(1)
            change = try? await client.reschedule(where: query, delay: .milliseconds(500))
        }
        if let change { witness.bulkAcknowledged(change) }
    }

    /// None of schedules' jobs.
    private func nextQuery() -> JobQuery {
        let random = self.cluster.world.random.below(5)
        switch random {
        case 0: return JobQuery(queue: "q")
        case 1: return JobQuery(queue: "capped")
        case 2: return JobQuery(type: SimulatedNode.types[self.cluster.world.random.below(SimulatedNode.types.count)])
        case 3: return JobQuery(tag: "tag-\(self.cluster.world.random.below(3))")
        default: return JobQuery(queue: "q", olderThan: .seconds(2), group: "g\(self.cluster.world.random.below(3))")
        }
    }

    /// Pauses something for a while now and then.
    func pauseSomething(_ client: Client) async {
        let world = self.cluster.world
        guard world.random.chance(0.15) else { return }
        let target = Self.targets[world.random.below(Self.targets.count)]
        let epoch = self.cluster.parts?.epoch
        if await Self.set(target, isPaused: true, client) {
            self.cluster.witness.count(.paused)
            // What the nodes have already goes on.
            if let epoch { self.cluster.notePause(target, acknowledgedIn: epoch) }
            try? await self.process.sleep(for: world.random.duration(.milliseconds(100), .seconds(3)))
        }
        // Whether or not the pause was acknowledged.
        self.cluster.witness.resumes(target)
        while await !Self.set(target, isPaused: false, client) { await Task.yield() }
    }

    private static func set(_ target: Pause.Target, isPaused: Bool, _ client: Client) async -> Bool {
        do {
            switch (target, isPaused) {
            case (.queue(let name), true): _ = try await client.pause(queue: name)
            case (.queue(let name), false): _ = try await client.resume(queue: name)
            case (.type(let name), true): _ = try await client.pause(type: name)
            case (.type(let name), false): _ = try await client.resume(type: name)
            }
            return true
        } catch {
            return false
        }
    }
}
