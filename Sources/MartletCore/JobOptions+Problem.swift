extension JobOptions {
    package static let tagsMax = 16
    package static let tagBytesMax = 64
    package static let metadataMax = 16
    package static let metadataBytesMax = 4096
    package static let keyBytesMax = 128

    /// Why a job cannot have these options, or nil if it can. For input from outside.
    package var problem: String? {
        if let timeout, timeout <= .zero { return "a job's timeout must be positive" }
        guard let rare = self.rareOptions else { return nil }
        if let expiry = rare.expiry, expiry <= .zero { return "a job's expiry must be positive" }
        if let retention = rare.retention, retention < .zero { return "a job's retention cannot be negative" }
        if rare.isOrdered, rare.key == nil { return "a job that is ordered needs a key to be ordered by" }
        return Self.keyProblem(rare.group, "group") ?? Self.keyProblem(rare.key, "key") ?? rare.unique?.problem
            ?? Self.problem(tags: rare.tags) ?? Self.problem(metadata: rare.metadata)
            ?? rare.services.flatMap { ServiceUse.problem($0.value) }
    }

    private static func keyProblem(_ key: String?, _ name: String) -> String? {
        guard let key else { return nil }
        guard (1...Self.keyBytesMax).contains(key.utf8.count) else {
            return "a job's \(name) has 1 to \(Self.keyBytesMax) bytes, not \(key.utf8.count)"
        }
        return nil
    }

    private static func problem(tags: [String]) -> String? {
        if tags.count > Self.tagsMax { return "a job has at most \(Self.tagsMax) tags, not \(tags.count)" }
        for tag in tags {
            if let problem = NameRule.problem(tag) { return "the tag \"\(tag)\" \(problem)" }
            if tag.utf8.count > Self.tagBytesMax {
                return "the tag \"\(tag)\" is longer than \(Self.tagBytesMax) bytes"
            }
        }
        return nil
    }

    private static func problem(metadata: [String: String]) -> String? {
        if metadata.count > Self.metadataMax {
            return "a job's metadata has at most \(Self.metadataMax) entries, not \(metadata.count)"
        }
        for name in metadata.keys.sorted() {
            if let problem = NameRule.problem(name) { return "the metadata's name \"\(name)\" \(problem)" }
        }
        let bytes = metadata.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        if bytes > Self.metadataBytesMax {
            return "a job's metadata has at most \(Self.metadataBytesMax) bytes, not \(bytes)"
        }
        return nil
    }
}
