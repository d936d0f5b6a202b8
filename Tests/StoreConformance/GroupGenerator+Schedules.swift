import MartletCore
import MartletStore

/// Schedules.
extension GroupGenerator {
    package static let scheduleNames = ["nightly", "s-0", "s.1"]

    mutating func scheduleChange(for state: StoreState, lanes: [LaneKey]) -> ScheduleChange {
        let name = Self.scheduleNames[self.below(Self.scheduleNames.count)]
        switch self.below(20) {
        case 0..<4:
            return .save(
                NewSchedule(
                    name: name, definition: Bytes(copying: [UInt8](repeating: 7, count: self.below(3))),
                    origin: self.chance(70) ? .client : .file,
                    handledThrough: self.chance(30) ? self.instant(for: state.schedule(name)) : nil))
        case 4: return .delete(name: name)
        case 5..<8:
            let isPaused = self.chance(40)
            return .pause(
                SchedulePause(
                    name: name, isPaused: isPaused,
                    passedThrough: isPaused ? nil : self.instant(for: state.schedule(name)), passed: self.below(4)))
        default:
            return .fire(
                (0..<1 + self.below(2)).map { _ in
                    let name = Self.scheduleNames[self.below(Self.scheduleNames.count)]
                    return self.fire(of: name, state.schedule(name), in: state, lanes: lanes)
                })
        }
    }

    private mutating func instant(for row: ScheduleRow?) -> WallTime {
        (row?.handledThrough ?? 0) + .seconds(self.below(9) - 3)
    }

    private mutating func fire(
        of name: String, _ row: ScheduleRow?, in state: StoreState, lanes: [LaneKey]
    ) -> ScheduleFire {
        let after = self.chance(90) ? row?.handledThrough ?? 0 : self.instant(for: row)
        let revision = self.chance(90) ? row?.revision ?? 1 : UInt64(self.below(4))
        let overlap = [OverlapPolicy.allow, .skip, .queueOne][self.below(3)]
        func run(_ generator: inout GroupGenerator, _ instant: WallTime) -> ScheduleFire.Run {
            var job = generator.job(in: state, lanes: lanes)
            var options = job.options
            options.batch = nil
            job = NewJob(lane: job.lane, options: options, payload: job.payload)
            return ScheduleFire.Run(instant: instant, job: job)
        }
        switch self.below(10) {
        case 0..<6:
            var instants: [WallTime] = []
            for _ in 0..<self.below(4) { instants.append((instants.last ?? after) + .seconds(1 + self.below(3))) }
            let through = (instants.last ?? after) + .seconds(instants.isEmpty ? 1 : 0)
            return ScheduleFire(
                name: name, revision: revision, kind: .due(after: after, missed: self.below(3), through: through),
                overlap: overlap, runs: instants.map { run(&self, $0) })
        case 6, 7:
            let instant = row?.queuedInstant ?? after
            return ScheduleFire(
                name: name, revision: revision, kind: .queued, overlap: overlap, runs: [run(&self, instant)])
        case 8:
            let first = after - .seconds(self.below(9))
            return ScheduleFire(
                name: name, revision: revision, kind: .backfill, overlap: overlap,
                runs: (0..<self.below(4)).map { run(&self, first + .seconds($0)) })
        default:
            return ScheduleFire(
                name: name, revision: revision, kind: .now, overlap: overlap,
                runs: [run(&self, after + .milliseconds(1 + self.below(3)))])
        }
    }
}
