/// What people ask for that changes how the cluster goes on.
package enum AdminRequest: Sendable {
    case changeJobs(ChangeJobs)
    case listBulk(ListBulk)
    case setPause(SetPause)
    case listPauses(ListPauses)
    case schedule(ScheduleRequest)
    case service(ServiceRequest)

    /// Nil if the frame is of another kind.
    init?(from reader: inout FrameReader) throws(WireError) {
        if let schedule = try ScheduleRequest(from: &reader) {
            self = .schedule(schedule)
            return
        }
        if let service = try ServiceRequest(from: &reader) {
            self = .service(service)
            return
        }
        switch reader.kind {
        case .changeJobs: self = .changeJobs(try ChangeJobs(from: &reader))
        case .listBulk: self = .listBulk(try ListBulk(from: &reader))
        case .setPause: self = .setPause(try SetPause(from: &reader))
        case .listPauses: self = .listPauses(try ListPauses(from: &reader))
        default: return nil
        }
    }
}
