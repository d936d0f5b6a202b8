import MartletCore

/// A completion inside an item of a report: a byte that says what follows; the result; the follow-ups, each behind a
/// u32 length, so that they may grow.
extension Completion {
    func write(to writer: inout FrameWriter) {
        writer.write(self.result == nil ? 0 : 1 as UInt8)
        if let result { writer.write(result) }
        writer.write(UInt32(self.followUps.count))
        for followUp in self.followUps {
            writer.nested {
                $0.write(followUp.delay)
                $0.write(followUp.payload)
                followUp.template.writeFields(to: &$0)
            }
        }
    }

    /// - Parameter keepsFollowUps: false only checks them.
    static func read(from reader: inout FrameReader, keepsFollowUps: Bool) throws(WireError) -> Completion {
        let result = try reader.read(UInt8.self) & 1 == 0 ? nil : try reader.readBytes()
        let count: UInt32 = try reader.read()
        guard count <= Self.followUpsMax, Int(count) <= reader.bytesLeft / 4 else {
            throw FrameReader.outOfBounds("items.followUps", "are more than \(Self.followUpsMax), or cut short")
        }
        var followUps: [FollowUp] = []
        for _ in 0..<count {
            let followUp = try reader.nested { reader throws(WireError) in
                let delay = try reader.readDuration()
                let payload = try reader.readBytes()
                let template = try JobTemplate(from: &reader, keepsLists: keepsFollowUps)
                return FollowUp(template: template, payload: payload, delay: max(delay, .zero))
            }
            if keepsFollowUps { followUps.append(followUp) }
        }
        return Completion(result: result, followUps: followUps)
    }
}
