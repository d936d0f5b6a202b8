public import Foundation
public import MartletCore

extension WallTime {
    /// To the microsecond.
    public init(_ date: Date) {
        self.init(microseconds: Int64((date.timeIntervalSince1970 * 1_000_000).rounded()))
    }

    public var date: Date { Date(timeIntervalSince1970: Double(self.microseconds) / 1_000_000) }
}
