import MartletCore
import MartletWire

/// The ids that the jobs of one call have got.
struct AcceptedJobs: Hashable, Sendable {
    private let first: JobID
    private let count: Int
    /// Ids of jobs that were there before, by their place in the call.
    private let exceptions: [Int: JobID]

    /// Those of a frame's jobs that are at `places` in it.
    init(_ submitted: Submitted, places: Range<Int>) {
        self.first = submitted.first.advanced(by: places.lowerBound)
        self.count = places.count
        var exceptions: [Int: JobID] = [:]
        for exception in submitted.exceptions where places.contains(Int(exception.place)) {
            exceptions[Int(exception.place) - places.lowerBound] = exception.id
        }
        self.exceptions = exceptions
    }

    subscript(place: Int) -> JobID { self.exceptions[place] ?? self.first.advanced(by: place) }

    /// One a job, in order.
    var ids: [JobID] { (0..<self.count).map { self[$0] } }
}
