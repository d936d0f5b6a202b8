/// Decides how much each laden node is asked for so that nobody is idle.
///
/// A pure function of what the dispatcher knows of its nodes at one moment: the node with the longest expected drain time
/// is asked first, for no more than the idle ones can take and no more than makes both finish at about the same time.
package struct StealPlanner: Sendable {
    /// A node that has work waiting.
    package struct Victim: Hashable, Sendable {
        package let node: Int
        package let service: Int
        package let slots: Int
        /// Jobs that wait there for a slot.
        package let waiting: Int
        package let meanDuration: Duration

        package init(node: Int, service: Int, slots: Int, waiting: Int, meanDuration: Duration) {
            self.node = node
            self.service = service
            self.slots = slots
            self.waiting = waiting
            self.meanDuration = meanDuration
        }

        /// How long it takes until the last of them starts: so many rounds of its slots.
        package var drain: Duration { self.meanDuration * ((self.waiting + self.slots - 1) / self.slots) }
        /// Jobs a nanosecond.
        var rate: Double { Double(self.slots) / max(1, Double(self.meanDuration.wholeNanoseconds)) }
    }

    /// A node with free slots for which nothing is left.
    package struct Thief: Hashable, Sendable {
        package let service: Int
        package let slots: Int
        package var freeSlots: Int
        /// How many jobs it takes at most.
        package var room: Int
        /// Nil if no job has ended there.
        package let meanDuration: Duration?

        package init(service: Int, slots: Int, freeSlots: Int, room: Int, meanDuration: Duration?) {
            self.service = service
            self.slots = slots
            self.freeSlots = freeSlots
            self.room = room
            self.meanDuration = meanDuration
        }

        func rate(beside victim: Victim) -> Double {
            Double(self.slots) / max(1, Double((self.meanDuration ?? victim.meanDuration).wholeNanoseconds))
        }
    }

    /// So many jobs of a victim, for the thieves of a service class.
    package struct Steal: Hashable, Sendable {
        package let node: Int
        package let service: Int
        package let count: Int
    }

    /// What drains sooner is left alone: to give it back and send it elsewhere would take about as long.
    package static let drainMin: Duration = .milliseconds(10)

    /// What to ask for.
    ///
    /// - Parameters:
    ///   - victims: those that may be asked.
    ///   - overlap: whether a thief of the second service class may run jobs of the first one's nodes.
    package static func plan(
        victims: [Victim], thieves: [Thief], overlap: (_ victim: Int, _ thief: Int) -> Bool
    ) -> [Steal] {
        var steals: [Steal] = []
        var thieves = thieves
        let slowest = victims.filter { $0.waiting > 0 && $0.drain >= Self.drainMin }
            .sorted { $0.drain == $1.drain ? $0.node < $1.node : $0.drain > $1.drain }
        for victim in slowest {
            guard thieves.contains(where: { $0.room > 0 }) else { break }
            // Its own kind can run all that it has.
            let open = thieves.filter { $0.room > 0 && overlap(victim.service, $0.service) }
            guard let thief = open.first(where: { $0.service == victim.service }) ?? open.first else { continue }
            let service = thief.service
            let count = Self.share(of: victim, with: service, among: &thieves)
            if count > 0 { steals.append(Steal(node: victim.node, service: service, count: count)) }
        }
        return steals
    }

    /// How much of what waits there goes to the thieves of a class: what they can start at once, and beyond that what is
    /// in proportion to how fast they are.
    private static func share(of victim: Victim, with service: Int, among thieves: inout [Thief]) -> Int {
        let own = thieves.indices.filter { thieves[$0].service == service && thieves[$0].room > 0 }
        let all = own.reduce(victim.rate) { $0 + thieves[$1].rate(beside: victim) }
        var count = 0
        for place in own where count < victim.waiting {
            let part = Int(Double(victim.waiting) * thieves[place].rate(beside: victim) / all + 0.5)
            let taken = min(max(part, thieves[place].freeSlots), thieves[place].room, victim.waiting - count)
            thieves[place].freeSlots = max(0, thieves[place].freeSlots - taken)
            // One that has something to do is no thief any more.
            thieves[place].room = thieves[place].freeSlots > 0 ? thieves[place].room - taken : 0
            count += taken
        }
        return count
    }
}
