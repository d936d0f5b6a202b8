import MartletCore
import MartletWire

/// Leases on jobs that nodes were asked to give back.
struct StealWitness {
    var asked: Set<LeaseToken> = []
    /// Those that are over: no result may count under them any more.
    var givenBack: Set<LeaseToken> = []
    /// How often each job was given back without having been started in between.
    var wanderings: [JobID: Int] = [:]
}

extension Witness {
    /// A node heard that it is to give jobs back.
    func wasAsked(_ ask: Order.Ask) {
        self.count(.jobsAskedBack)
        self.steals.asked.formUnion(ask.wanted)
    }

    /// A node's report was answered.
    func answered(_ report: Report, _ verdicts: [ReportReply.Verdict]) {
        for (item, verdict) in zip(report.items, verdicts) where self.steals.asked.contains(item.token) {
            switch (item.result, verdict) {
            case (.checkpoint, _): continue
            case (_, .accepted) where self.steals.givenBack.contains(item.token):
                self.fail("job \(item.id) was given back, and what came under that lease later counts too")
            case (.returned, .accepted):
                self.steals.givenBack.insert(item.token)
                self.steals.wanderings[item.id, default: 0] += 1
                self.count(self.steals.wanderings[item.id]! < 3 ? .jobGivenBack : .jobWandered)
            // It was started first, or is somebody else's for another reason: the steal has lost.
            default: self.count(.stealOvertaken)
            }
        }
    }
}
