/// The graph of a workflow: what its jobs are called and which of them wait for which.
package struct WorkflowShape: Hashable, Sendable {
    /// That a job waits for another one.
    package struct Dependency: Hashable, Sendable {
        /// The other one's place in the workflow.
        package var parent: Int
        package var kind: DependencyKind

        package init(parent: Int, kind: DependencyKind = .onSuccess) {
            self.parent = parent
            self.kind = kind
        }
    }

    package struct Member: Hashable, Sendable {
        package var name: String
        package var parents: [Dependency]

        package init(name: String, parents: [Dependency] = []) {
            self.name = name
            self.parents = parents
        }
    }

    /// In the order of the jobs.
    package var members: [Member]

    package init(members: [Member] = []) {
        self.members = members
    }

    package static let jobsMax = 10_000
    package static let dependenciesMax = 100_000

    /// Why this cannot be a workflow, or nil if it can.
    package var problem: String? {
        guard (1...Self.jobsMax).contains(self.members.count) else {
            return "a workflow has 1 to \(Self.jobsMax) jobs, not \(self.members.count)"
        }
        let dependencies = self.members.reduce(0) { $0 + $1.parents.count }
        guard dependencies <= Self.dependenciesMax else {
            return "a workflow has at most \(Self.dependenciesMax) dependencies, not \(dependencies)"
        }
        return self.nameProblem ?? self.parentProblem ?? self.cycleProblem
    }

    private var nameProblem: String? {
        var known: Set<String> = []
        for member in self.members {
            if let problem = NameRule.problem(member.name) {
                return "the name \"\(member.name)\" of a job in a workflow \(problem)"
            }
            guard known.insert(member.name).inserted else {
                return "two jobs of the workflow are called \"\(member.name)\""
            }
        }
        return nil
    }

    private var parentProblem: String? {
        for (place, member) in self.members.enumerated() {
            var known: Set<Int> = []
            for parent in member.parents.map(\.parent) {
                guard self.members.indices.contains(parent) else {
                    return "\"\(member.name)\" waits for job \(parent) of the workflow, which has no such job"
                }
                guard parent != place else { return "\"\(member.name)\" waits for itself" }
                guard known.insert(parent).inserted else {
                    return "\"\(member.name)\" waits for \"\(self.members[parent].name)\" twice"
                }
            }
        }
        return nil
    }

    /// Takes away, again and again, what waits for nothing that is left (Kahn 1962): what remains waits in a circle.
    private var cycleProblem: String? {
        var waits = self.members.map(\.parents.count)
        var children: [[Int]] = Array(repeating: [], count: self.members.count)
        for (place, member) in self.members.enumerated() {
            for parent in member.parents { children[parent.parent].append(place) }
        }
        var free = self.members.indices.filter { waits[$0] == 0 }
        var next = 0
        while next < free.count {
            for child in children[free[next]] {
                waits[child] -= 1
                if waits[child] == 0 { free.append(child) }
            }
            next += 1
        }
        guard free.count < self.members.count else { return nil }
        return "the workflow has a cycle: \(self.cycle(waits).map { "\"\($0)\"" }.joined(separator: " after "))"
    }

    /// The names along one circle, the first again at the end; a few of them if it is long.
    private func cycle(_ waits: [Int]) -> [String] {
        var place = waits.firstIndex { $0 > 0 }!
        var seenAt: [Int: Int] = [:]
        var path: [Int] = []
        while seenAt[place] == nil {
            seenAt[place] = path.count
            path.append(place)
            place = self.members[place].parents.first { waits[$0.parent] > 0 }!.parent
        }
        let circle = path[seenAt[place]!...].map { self.members[$0].name } + [self.members[place].name]
        return circle.count <= 8 ? circle : Array(circle.prefix(6)) + ["…", circle.last!]
    }
}

/// What people call a workflow or a batch.
package enum TitleRule {
    package static let bytesMax = 128

    /// Why `title` cannot be that, or nil if it can: 1 to 128 bytes without control characters.
    package static func problem(_ title: String) -> String? {
        if title.isEmpty { return "is empty" }
        if title.utf8.count > Self.bytesMax { return "is longer than \(Self.bytesMax) bytes" }
        if title.unicodeScalars.contains(where: { $0.value < 0x20 || (0x7f...0x9f).contains($0.value) }) {
            return "has a control character"
        }
        return nil
    }
}
