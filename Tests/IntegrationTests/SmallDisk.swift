import Foundation

/// A file system of its own in memory, with a file on it that takes up a part until it is deleted.
final class SmallDisk: Sendable {
    let path: String

    /// - Throws: ``Failure`` if mounting is not permitted here.
    init(bytes: Int) async throws {
        self.path = NSTemporaryDirectory() + "martlet-disk-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: true)
        let problem = try await System.run(["mount", "-t", "tmpfs", "-o", "size=\(bytes)", "martlet-test", self.path])
        if let problem {
            rmdir(self.path)
            throw Failure(problem)
        }
    }

    func end() async {
        _ = try? await System.run(["umount", "--lazy", self.path])
        rmdir(self.path)
    }

    var freeBytes: Int {
        var space = statvfs()
        return statvfs(self.path, &space) == 0 ? Int(space.f_bavail) * Int(space.f_frsize) : 0
    }

    /// Takes up space.
    func addBallast(bytes: Int) throws {
        let descriptor = open(self.path + "/ballast", O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Failure("no ballast: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        let code = posix_fallocate(descriptor, 0, off_t(bytes))
        guard code == 0 else { throw Failure("no room for the ballast: \(String(cString: strerror(code)))") }
    }

    func dropBallast() { unlink(self.path + "/ballast") }
}
