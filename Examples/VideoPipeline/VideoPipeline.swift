import Foundation
import Martlet

/// Encodes a video, makes thumbnails and a transcript of it side by side, and publishes it once both are there.
///
///     video-pipeline [ADDRESS-OF-CLIENTS [ADDRESS-OF-NODES]]
///
/// Needs a coordinator. Submits one workflow, works it off in this process, and shows what came of it.
@main struct VideoPipeline {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        let clients = arguments.first ?? "tcp://127.0.0.1:7400"
        let nodes = arguments.dropFirst().first ?? "tcp://127.0.0.1:7401"
        let client = try await Client.connect(to: clients)

        var workflow = Workflow("video 7")
        let encode = workflow.add(Encode(video: 7), name: "encode")
        let thumbnails = workflow.add(Thumbnails(video: 7), name: "thumbnails", after: encode)
        let transcript = workflow.add(Transcribe(video: 7), name: "transcript", after: encode)
        workflow.add(Publish(video: 7), name: "publish", after: thumbnails, transcript)
        workflow.add(Apologise(video: 7), name: "apologise", after: .onFailure(of: encode))
        let handle = try await client.submit(workflow)
        print("workflow \(handle.id): martlet workflow show \(handle.id)")

        let worker = Worker(WorkerConfiguration(name: "video-pipeline", address: nodes, slots: 4))
        worker.register(Encode.self)
        worker.register(Thumbnails.self)
        worker.register(Transcribe.self)
        worker.register(Publish.self)
        worker.register(Apologise.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await worker.run() }
            let published = try await client.result(of: handle.id(of: thumbnails), as: [String].self)
            print("thumbnails: \(published.joined(separator: ", "))")
            while let status = try await handle.status() {
                guard !status.isFinished else {
                    for step in status.steps { print("\(step.name): \(step.job.state)") }
                    break
                }
                try await Task.sleep(for: .milliseconds(50))
            }
            group.cancelAll()
        }
        await client.close()
    }
}

struct Encode: Job {
    static let type = "video.encode"
    var video: Int

    func run(_ context: JobContext) async throws -> String {
        try await context.sleep(for: .milliseconds(100))
        return "/videos/\(self.video).mp4"
    }
}

struct Thumbnails: Job {
    static let type = "video.thumbnails"
    var video: Int

    func run(_ context: JobContext) async throws -> [String] {
        let file = try context.parents["encode"]?.result(as: String.self) ?? ""
        return (1...3).map { "\(file)-\($0).jpg" }
    }
}

struct Transcribe: Job {
    static let type = "video.transcribe"
    var video: Int

    func run(_ context: JobContext) async throws -> String { "Hello and welcome to video \(self.video)." }
}

struct Publish: Job {
    static let type = "video.publish"
    var video: Int

    func run(_ context: JobContext) async throws {
        let pictures = try context.parents["thumbnails"]?.result(as: [String].self) ?? []
        let text = try context.parents["transcript"]?.result(as: String.self) ?? ""
        print("published video \(self.video) with \(pictures.count) pictures: \(text)")
    }
}

struct Apologise: Job {
    static let type = "video.apologise"
    var video: Int

    func run(_ context: JobContext) async throws { print("video \(self.video) cannot be shown, sorry") }
}
