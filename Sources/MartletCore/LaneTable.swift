/// Gives lanes their numbers, in order of first use.
package struct LaneTable: Sendable {
    /// How many lanes there may be.
    package let lanesMax: Int
    package private(set) var keys: [LaneKey] = []
    private var ids: [LaneKey: LaneID] = [:]

    package init(lanesMax: Int, recovered: [LaneKey] = []) {
        self.lanesMax = max(lanesMax, recovered.count)
        for key in recovered { _ = self.intern(key) }
    }

    /// The lane's number, a new one if need be; nil if there are too many lanes.
    package mutating func intern(_ key: LaneKey) -> LaneID? {
        if let id = self.ids[key] { return id }
        guard self.keys.count < self.lanesMax else { return nil }
        let id = LaneID(rawValue: UInt32(self.keys.count))
        self.keys.append(key)
        self.ids[key] = id
        return id
    }

    package func id(of key: LaneKey) -> LaneID? { self.ids[key] }

    package subscript(id: LaneID) -> LaneKey { self.keys[Int(id.rawValue)] }
}
