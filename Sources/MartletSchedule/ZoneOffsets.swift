import Foundation
import Synchronization

/// The distances from UTC that a time zone keeps and kept, in seconds, with Foundation's answers remembered.
///
/// Foundation takes microseconds for an offset. Here the time line is cut into chunks of eight and a half years, whose
/// transitions are asked for once.
final class ZoneOffsets: Sendable {
    /// A stretch of time with one offset.
    struct Span: Hashable, Sendable {
        /// First second since 1970-01-01 00:00 UTC.
        let start: Int64
        /// The second after the last.
        let end: Int64
        /// Local time less UTC.
        let offset: Int64
        /// The offset one second before `start`; the same if only a chunk begins there.
        let offsetBefore: Int64
    }

    private static let chunkSeconds: Int64 = 1 << 28
    static let chunksMax = 64

    private let zone: TimeZone
    private let chunks = Mutex<[Int64: [Span]]>([:])

    init(_ zone: TimeZone) {
        self.zone = zone
    }

    /// The stretch that holds a second since 1970-01-01 00:00 UTC.
    func span(at second: Int64) -> Span {
        let number = second.flooredQuotient(by: Self.chunkSeconds)
        return self.chunks.withLock { chunks in
            if let known = chunks[number] { return Self.span(at: second, in: known) }
            if chunks.count >= Self.chunksMax { chunks.removeAll(keepingCapacity: true) }
            let spans = self.spans(ofChunk: number)
            chunks[number] = spans
            return Self.span(at: second, in: spans)
        }
    }

    private static func span(at second: Int64, in spans: [Span]) -> Span {
        var (low, high) = (0, spans.count - 1)
        while low < high {
            let middle = (low + high + 1) / 2
            if spans[middle].start <= second { low = middle } else { high = middle - 1 }
        }
        return spans[low]
    }

    private func spans(ofChunk number: Int64) -> [Span] {
        let (first, end) = (number * Self.chunkSeconds, (number + 1) * Self.chunkSeconds)
        var spans: [Span] = []
        var start = first
        var before = self.offset(at: first - 1)
        var offset = self.offset(at: first)
        var at = first
        while let transition = self.transition(after: at), transition < end {
            at = transition
            let next = self.offset(at: transition)
            // A change of the abbreviation alone is none here.
            guard next != offset else { continue }
            spans.append(Span(start: start, end: transition, offset: offset, offsetBefore: before))
            (start, before, offset) = (transition, offset, next)
        }
        spans.append(Span(start: start, end: end, offset: offset, offsetBefore: before))
        return spans
    }

    private func offset(at second: Int64) -> Int64 {
        Int64(self.zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(second))))
    }

    private func transition(after second: Int64) -> Int64? {
        let date = self.zone.nextDaylightSavingTimeTransition(after: Date(timeIntervalSince1970: Double(second)))
        guard let date else { return nil }
        let transition = Int64(date.timeIntervalSince1970.rounded())
        return transition > second ? transition : nil
    }
}
