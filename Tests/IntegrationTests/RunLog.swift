import Foundation
import MartletCore

/// What the nodes of a test have run, as they wrote it down themselves.
struct RunLog {
    enum Event: String {
        case begin, end, cut
    }

    struct Line {
        let event: Event
        let node: String
        let id: JobID
        let attempt: Int
        let number: Int
    }

    let lines: [Line]

    /// A line that a killed node left unfinished counts as not written.
    init(path: String) {
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        self.lines = text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard words.count == 5, let event = Event(rawValue: String(words[0])), let id = UInt64(words[2]),
                let attempt = Int(words[3]), let number = Int(words[4])
            else { return nil }
            return Line(
                event: event, node: String(words[1]), id: JobID(rawValue: id), attempt: attempt, number: number)
        }
    }

    func lines(_ event: Event, by node: String? = nil) -> [Line] {
        self.lines.filter { $0.event == event && (node == nil || $0.node == node) }
    }

    /// The numbers of the payloads, in the order in which it happened.
    func numbers(_ event: Event, by node: String? = nil) -> [Int] { self.lines(event, by: node).map(\.number) }
}
