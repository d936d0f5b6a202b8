import MartletCore
import MartletVirtualTime
import Testing

@Suite struct ClusterTests {
    @Test(arguments: 1...12 as ClosedRange<UInt64>)
    func noJobIsLostOrRunTwiceAtOnceWhateverHappens(seed: UInt64) {
        var model = ClusterModel(seed: seed)
        for _ in 0..<700 {
            Self.step(&model)
            model.assign()
            model.checkInvariants()
        }
        Self.calm(&model)
        // What nobody serves waits; all else has ended.
        let pending = model.store.filter { !$0.value.isOver }
        #expect(pending.values.allSatisfy { $0.lane == 4 })
        #expect(pending.count == model.dispatch.readyCount)
    }

    /// The same with groups, keys and limits, pauses and cancels.
    @Test(arguments: 1...8 as ClosedRange<UInt64>)
    func limitsHoldAndNoRoomIsWasted(seed: UInt64) {
        var model = ClusterModel(seed: seed, limits: ClusterModel.limits)
        for _ in 0..<700 {
            switch model.random.below(16) {
            case 0, 1, 2:
                let lane = model.random.below(5)
                let share = model.random.below(ClusterModel.shares.count)
                model.submit(1 + model.random.below(9), lane: lane, share: share, hasBodies: model.random.once(in: 2))
            case 3: model.togglePause()
            case 4 where model.random.once(in: 2): model.cancel(1 + model.random.below(6))
            case 5: model.reschedule()
            case 6: model.disturbServices()
            default: Self.step(&model)
            }
            model.assign()
            model.checkWorkIsDone()
            model.checkInvariants()
        }
        for pause in model.paused { model.dispatch.resume(pause, at: model.now) }
        model.paused = []
        for name in model.limits.services.keys { model.dispatch.resume(service: name, at: model.now) }
        Self.calm(&model)
        model.checkServices()
        #expect(Set(model.grants.map(\.use.service)) == ["s", "m"], "nothing uses the services")
        let pending = model.store.filter { !$0.value.isOver }
        #expect(pending.values.allSatisfy { $0.lane == 4 })
        #expect(pending.count == model.dispatch.readyCount)
    }

    /// With time for the dispatcher to look around after each event.
    @Test func jobsAreStolenAndNoneIsLost() {
        var gaveBackTotal = 0
        for seed in 101...108 as ClosedRange<UInt64> {
            var model = ClusterModel(seed: seed)
            for _ in 0..<700 {
                Self.step(&model)
                model.now = model.now + .milliseconds(25)
                model.assign()
                model.checkInvariants()
            }
            gaveBackTotal += model.gaveBackTotal
            Self.calm(&model)
            #expect(model.store.filter { !$0.value.isOver }.allSatisfy { $0.value.lane == 4 })
        }
        #expect(gaveBackTotal > 5, "next to nothing was ever stolen")
    }

    private static func step(_ model: inout ClusterModel) {
        let keys = model.workers.keys.sorted()
        let key = keys.isEmpty ? nil : keys[model.random.below(keys.count)]
        switch model.random.below(24) {
        case 0, 1, 2:
            let count = model.random.once(in: 10) ? model.random.below(700) : model.random.below(8)
            let lane = model.random.below(5)
            let hasBodies = model.random.once(in: 2)
            if count > 0 { model.submit(count, lane: lane, hasBodies: hasBodies) }
        case 3 where keys.count < 8: model.join()
        case 4 where model.random.once(in: 4):
            if let key { model.die(key) }
        case 5 where model.random.once(in: 4):
            if let key { model.leave(key) }
        case 6 where model.random.once(in: 3):
            if let key { model.drain(key) }
        case 7:
            if let key { model.reconnect(key) }
        case 8, 9:
            model.now = model.now + .milliseconds(Int64(model.random.below(model.random.once(in: 10) ? 20_000 : 2000)))
            model.tick()
        case 10, 11, 12: model.answerLoad()
        case 13: model.releaseDue(5)
        case 14:
            if let key { model.control(key) }
        case 15, 16, 17, 18:
            if let key { model.report(key) }
        default:
            if let key { model.fetch(key) }
        }
    }

    /// Faults end: nodes of each kind come, fetch and report until nothing is left to do.
    static func calm(_ model: inout ClusterModel) {
        for key in model.workers.keys.sorted() { model.die(key) }
        for service in 0..<3 { model.join(service: service) }
        for _ in 0..<5000 {
            for key in model.workers.keys.sorted() {
                model.fetch(key)
                model.report(key, most: 30)
            }
            model.releaseDue(100)
            model.answerLoad()
            model.assign()
            model.now = model.now + .milliseconds(100)
            model.tick()
            model.checkInvariants()
            if model.assigned.isEmpty, model.scheduled.isEmpty,
                model.store.allSatisfy({ $0.value.isOver || $0.value.lane == 4 })
            {
                return
            }
        }
    }
}
