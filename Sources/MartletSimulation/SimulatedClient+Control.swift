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
            if let change = try? await client.setPriority(.normal, where: query), change.count > 0 {
                witness.count(.bulkOperation)
            }
        default:
            let query = JobQuery(queue: "capped", olderThan: .seconds(2))
            if let change = try? await client.cancel(where: query), change.count > 0 { witness.count(.bulkOperation) }
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
