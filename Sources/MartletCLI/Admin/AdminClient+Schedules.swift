import MartletWire

extension AdminClient {
    func put(_ request: PutSchedule) async throws(CommandError) -> SchedulePut { try await self.ask(request) }

    func schedules() async throws(CommandError) -> [ScheduleView] {
        var all: [ScheduleView] = []
        while true {
            let page: ScheduleList = try await self.ask(ListSchedules(after: all.last?.name ?? ""))
            all += page.schedules
            if page.schedules.count < ListSchedules.limitMax { return all }
        }
    }

    func schedule(_ request: ShowSchedule) async throws(CommandError) -> ScheduleDetail { try await self.ask(request) }

    func change(_ request: ChangeSchedule) async throws(CommandError) -> ScheduleChanged {
        try await self.ask(request)
    }

    func run(_ request: RunSchedule) async throws(CommandError) -> ScheduleRan { try await self.ask(request) }
}
