import MartletCore
import Testing

@Suite struct StealPlannerTests {
    private func victim(
        _ node: Int, service: Int = 0, slots: Int = 4, waiting: Int, mean: Duration = .milliseconds(100)
    ) -> StealPlanner.Victim {
        StealPlanner.Victim(node: node, service: service, slots: slots, waiting: waiting, meanDuration: mean)
    }

    private func thief(
        service: Int = 0, slots: Int = 4, free: Int = 4, room: Int = 4, mean: Duration? = .milliseconds(100)
    ) -> StealPlanner.Thief {
        StealPlanner.Thief(service: service, slots: slots, freeSlots: free, room: room, meanDuration: mean)
    }

    private func plan(_ victims: [StealPlanner.Victim], _ thieves: [StealPlanner.Thief]) -> [[Int]] {
        StealPlanner.plan(victims: victims, thieves: thieves) { victim, thief in victim % 10 == thief % 10 }
            .map { [$0.node, $0.service, $0.count] }
    }

    @Test func theLongestDrainIsAskedFirstWhateverTheNumberOfJobs() {
        let many = self.victim(1, slots: 100, waiting: 300, mean: .milliseconds(10))
        let slow = self.victim(2, slots: 2, waiting: 6, mean: .milliseconds(500))
        #expect(self.plan([many, slow], [self.thief()]) == [[2, 0, 4]])
    }

    @Test func whatDrainsSoonIsLeftAlone() {
        #expect(self.plan([self.victim(1, waiting: 4, mean: .milliseconds(9))], [self.thief()]).isEmpty)
        #expect(self.plan([self.victim(1, waiting: 8, mean: .milliseconds(9))], [self.thief()]) == [[1, 0, 4]])
    }

    @Test func nobodyIsAskedForMoreThanTheIdleCanTake() {
        let thieves = [self.thief(free: 3, room: 3), self.thief(free: 2, room: 2)]
        #expect(self.plan([self.victim(1, waiting: 50)], thieves) == [[1, 0, 5]])
        #expect(self.plan([self.victim(1, waiting: 2)], thieves) == [[1, 0, 2]])
        #expect(self.plan([self.victim(1, waiting: 50)], [self.thief(room: 0)]).isEmpty)
    }

    /// Beyond what it can start at once, a thief gets its share by speed: both finish at about the same time.
    @Test func theFasterTheThiefTheLargerItsShare() {
        let victim = self.victim(1, waiting: 120, mean: .milliseconds(30))
        #expect(self.plan([victim], [self.thief(room: 1000, mean: .milliseconds(30))]) == [[1, 0, 60]])
        #expect(self.plan([victim], [self.thief(room: 1000, mean: .milliseconds(15))]) == [[1, 0, 80]])
        #expect(self.plan([victim], [self.thief(room: 1000, mean: .milliseconds(300))]) == [[1, 0, 11]])
        #expect(
            self.plan([victim], [self.thief(room: 1000, mean: .seconds(30))]) == [[1, 0, 4]], "a free slot is free")
    }

    @Test func thievesArePutToUseOnVictimsThatTheyServe() {
        let thieves = [self.thief(service: 3), self.thief(service: 10)]
        #expect(self.plan([self.victim(1, service: 0, waiting: 9)], thieves) == [[1, 10, 4]])
        #expect(self.plan([self.victim(1, service: 5, waiting: 9)], thieves).isEmpty)
        let own = [self.thief(service: 10), self.thief(service: 0)]
        #expect(self.plan([self.victim(1, service: 0, waiting: 9)], own) == [[1, 0, 4]], "its own kind first")
    }

    @Test func eachThiefIsCountedOnce() {
        let victims = [self.victim(1, waiting: 9), self.victim(2, waiting: 8), self.victim(3, waiting: 7)]
        #expect(self.plan(victims, [self.thief(), self.thief(free: 2, room: 2)]) == [[1, 0, 6]])
        #expect(self.plan(victims, [self.thief(free: 12, room: 12)]) == [[1, 0, 9], [2, 0, 3]])
    }
}
