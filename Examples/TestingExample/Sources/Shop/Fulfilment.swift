import Martlet

/// Sees to an order: one workflow from the shelf to the door, which puts everything back if the customer cannot pay.
public func fulfil(_ order: String, of customer: String, cents: Int, through client: Client) async throws
    -> WorkflowHandle
{
    var workflow = Workflow("order \(order)")
    let reserve = workflow.add(OrderStep(order: order, act: .reserve), name: "reserve")
    let charge = workflow.add(
        ChargeOrder(order: order, customer: customer, cents: cents), name: "charge", after: reserve)
    let pack = workflow.add(OrderStep(order: order, act: .pack), name: "pack", after: reserve)
    let ship = workflow.add(OrderStep(order: order, act: .ship), name: "ship", after: charge, pack)
    workflow.add(OrderStep(order: order, act: .putBack), name: "put-back", after: .onFailure(of: charge), .onEnd(pack))
    workflow.add(OrderStep(order: order, act: .archive), name: "archive", after: .onEnd(ship))
    return try await client.submit(workflow)
}

/// What people in the shop do for an order.
public struct OrderStep: Job {
    public enum Act: String, Codable, Sendable {
        case reserve, pack, ship, putBack, archive
    }

    public static let type = "order.step"
    public static let queue = "orders"

    public let order: String
    public let act: Act

    public init(order: String, act: Act) {
        self.order = order
        self.act = act
    }

    public func run(_ context: JobContext) async throws -> String {
        if self.act == .ship {
            let receipt = try context.parents["charge"]?.result(as: ChargeOrder.Receipt.self)
            return "shipped \(self.order), paid by \(receipt?.payment ?? "nobody")"
        }
        let failed = context.parents.filter { $0.state != .succeeded }.map(\.name)
        return failed.isEmpty ? "\(self.act) \(self.order)" : "\(self.act) \(self.order), without \(failed)"
    }
}

/// Reads a catalogue that came in parts, all parts side by side, and then counts what is there.
public func importParts(_ files: [String], through client: Client) async throws -> WorkflowHandle {
    var workflow = Workflow("catalogue in \(files.count) parts")
    let parts = files.map { workflow.add(ImportCatalogue(file: $0)) }
    workflow.add(CountProducts(), after: parts)
    return try await client.submit(workflow)
}

public struct CountProducts: Job {
    public static let type = "catalogue.count"

    public init() {}

    public func run(_ context: JobContext) async throws -> Int {
        try context.parents.reduce(0) { $0 + (try $1.result(as: ImportCatalogue.Summary.self)?.products ?? 0) }
    }
}

/// One after the other, each if the one before it has succeeded.
public func importAndTell(_ file: String, through client: Client) async throws -> WorkflowHandle {
    let workflow = Workflow.chain(
        "spring catalogue", ImportCatalogue(file: file), IndexProduct(name: file),
        WelcomeMail(address: "buyers@example.org"))
    return try await client.submit(workflow)
}

/// Where a workflow stands, in a few words.
public func describe(_ handle: WorkflowHandle) async throws -> String {
    guard let status = try await handle.status() else { return "not there" }
    let steps = status.steps.map { "\($0.name): \($0.job.state)" }.joined(separator: ", ")
    return "\(status.openCount) of \(status.jobCount) open, \(status.failedCount) failed; \(steps)"
}
