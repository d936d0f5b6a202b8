import MartletCore
import MartletStore
import MartletWire
import Testing

@testable import MartletCoordinator

/// The decisions, without a store.
@Suite struct ScheduleTableTests {
    private static func row(_ name: String, _ recurrence: String = "@every 1s") -> ScheduleRow {
        ScheduleRow(
            name: name, definition: PutSchedule(definition(recurrence, name: name)).encoded(), origin: .client,
            handledThrough: WallTime(microseconds: 0))
    }

    private let clock = Instant(nanoseconds: 0)

    @Test func aTurnIsBoundedAndTakesTheOldestFirst() {
        var table = ScheduleTable()
        for number in 0..<250 { table.put(Self.row("s\(number)"), at: self.clock) }
        var fired: [String] = []
        for expected in [100, 100, 50, 0] {
            var actions: [ScheduleTable.Action] = []
            table.turn(wall: WallTime(microseconds: 1_000_000), at: self.clock, into: &actions)
            table.checkInvariants()
            #expect(actions.count == expected)
            fired += actions.map { if case .fire(let fire) = $0 { fire.name } else { "" } }
        }
        // Due at the same time: by name.
        #expect(fired == (0..<250).map { "s\($0)" }.sorted())
    }

    @Test func atMostOneFireIsOnItsWay() throws {
        var table = ScheduleTable()
        table.put(Self.row("a"), at: self.clock)
        var actions: [ScheduleTable.Action] = []
        table.turn(wall: WallTime(microseconds: 1_000_000), at: self.clock, into: &actions)
        table.turn(wall: WallTime(microseconds: 9_000_000), at: self.clock, into: &actions)
        #expect(actions.count == 1)
        #expect(table.wait(wall: WallTime(microseconds: 9_000_000), at: self.clock) == nil)
        // Put off: again after a second, and then all that is due.
        table.failed("a", at: self.clock)
        table.checkInvariants()
        #expect(table.wait(wall: WallTime(microseconds: 9_000_000), at: self.clock) == ScheduleTable.pause)
        table.turn(wall: WallTime(microseconds: 9_000_000), at: self.clock, into: &actions)
        #expect(actions.count == 1)
        table.turn(wall: WallTime(microseconds: 9_000_000), at: self.clock + ScheduleTable.pause, into: &actions)
        #expect(actions.count == 2)
        var row = Self.row("a")
        row.handledThrough = WallTime(microseconds: 9_000_000)
        table.answered("a", row, at: self.clock)
        #expect(table.wait(wall: WallTime(microseconds: 9_000_000), at: self.clock) == .seconds(1))
        table.answered("a", nil, at: self.clock)
        #expect(table.count == 0 && table.bytes == 0)
        table.checkInvariants()
    }

    @Test func looksTakeNothingFromWhatFires() {
        var table = ScheduleTable()
        for number in 0..<250 {
            var row = Self.row("waits\(number)", "@yearly")
            row.queuedInstant = row.handledThrough
            table.put(row, at: self.clock)
        }
        for number in 0..<120 { table.put(Self.row("s\(number)"), at: self.clock) }
        var counts: [(fires: Int, looks: Int)] = []
        for _ in 0..<3 {
            var actions: [ScheduleTable.Action] = []
            table.turn(wall: WallTime(microseconds: 1_000_000), at: self.clock + ScheduleTable.pause, into: &actions)
            table.checkInvariants()
            let fires = actions.prefix { if case .fire = $0 { true } else { false } }.count
            #expect(actions.dropFirst(fires).allSatisfy { if case .look = $0 { true } else { false } })
            counts.append((fires, actions.count - fires))
        }
        #expect(counts.map(\.fires) == [100, 20, 0] && counts.map(\.looks) == [100, 100, 50])
    }

    @Test func whatATurnFiresIsBoundedInBytes() {
        var table = ScheduleTable()
        for number in 0..<20 {
            var definition = definition(
                "@every 1s", name: "s\(number)", rules: ScheduleRules(missed: .all(max: 1000)))
            definition.payload = Bytes(copying: [UInt8](repeating: 1, count: ScheduleDefinition.payloadMax))
            table.put(
                ScheduleRow(
                    name: definition.name, definition: PutSchedule(definition).encoded(), origin: .client,
                    handledThrough: WallTime(microseconds: 0)), at: self.clock)
        }
        var actions: [ScheduleTable.Action] = []
        table.turn(wall: WallTime(microseconds: 900_000_000), at: self.clock, into: &actions)
        let bytes = actions.reduce(0) { if case .fire(let fire) = $1 { $0 + fire.bytes } else { $0 } }
        #expect(actions.count == 2 && bytes == ScheduleTable.turnBytesMax)
        table.checkInvariants()
    }

    @Test func theClockIsLookedAtEachHalfMinuteAtLeast() {
        var table = ScheduleTable()
        #expect(table.wait(wall: WallTime(microseconds: 0), at: self.clock) == nil)
        table.put(Self.row("a", "@yearly"), at: self.clock)
        #expect(table.wait(wall: WallTime(microseconds: 0), at: self.clock) == .seconds(30))
    }

    @Test func whatCannotBeReadIsShownAndLeftAlone() {
        var table = ScheduleTable()
        let row = ScheduleRow(
            name: "a", definition: Bytes(copying: [1, 2]), origin: .client, handledThrough: WallTime(microseconds: 0))
        table.put(row, at: self.clock)
        table.put(Self.row("b", "@never"), at: self.clock)
        var actions: [ScheduleTable.Action] = []
        table.turn(wall: WallTime(microseconds: .max / 2), at: self.clock, into: &actions)
        #expect(actions.isEmpty && table.names == ["a", "b"])
        #expect(table["a"]?.problem.isEmpty == false && table["b"]?.problem.isEmpty == false)
        table.checkInvariants()
    }

    @Test func manyMissedRunsAreMadeInBoundedFires() {
        var table = ScheduleTable()
        var definition = definition("@every 1s", name: "a", rules: ScheduleRules(missed: .all(max: 1000)))
        definition.payload = Bytes(copying: [UInt8](repeating: 1, count: ScheduleDefinition.payloadMax))
        var row = ScheduleRow(
            name: "a", definition: PutSchedule(definition).encoded(), origin: .client,
            handledThrough: WallTime(microseconds: 0))
        table.put(row, at: self.clock)
        let wall = WallTime(microseconds: 1_200_000_000)
        var made: [WallTime] = []
        var missed = 0
        while true {
            var actions: [ScheduleTable.Action] = []
            table.turn(wall: wall, at: self.clock, into: &actions)
            guard case .fire(let fire)? = actions.first, case .due(let after, let left, let through) = fire.kind else {
                break
            }
            #expect(after == row.handledThrough)
            #expect(fire.instants.count * ScheduleDefinition.payloadMax <= ScheduleTable.fireBytesMax)
            made += fire.instants
            missed += left
            row.handledThrough = through
            table.answered("a", row, at: self.clock)
        }
        #expect(made == (201...1200).map { WallTime(microseconds: $0 * 1_000_000) })
        #expect(missed == 200)
    }
}
