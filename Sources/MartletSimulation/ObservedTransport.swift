import MartletCore
import MartletTransport
import MartletWire

/// A node's transport that lets the witness hear which results the coordinator called accepted.
struct ObservedTransport: Transport {
    let inner: any Transport
    let witness: Witness
    let world: SimulatedWorld

    func listen(at address: String, contexts: Int) async throws(TransportError) -> any RequestListener {
        try await self.inner.listen(at: address, contexts: contexts)
    }

    func connect(to address: String) throws(TransportError) -> any RequestConnection {
        ObservedConnection(inner: try self.inner.connect(to: address), witness: self.witness, world: self.world)
    }
}

private struct ObservedConnection: RequestConnection {
    let inner: any RequestConnection
    let witness: Witness
    let world: SimulatedWorld

    func request(_ frame: Bytes, timeout: Duration) async throws(TransportError) -> Bytes {
        let (sentAt, wallOffset) = (self.world.now, self.world.wallOffsetMicroseconds)
        let report = try? Report.decode(frame)
        if let report { self.witness.reports(report) }
        let epoch = self.witness.services.lastEpoch
        let answer = try await self.inner.request(frame, timeout: timeout)
        if let delivery = try? Delivery.decode(answer) { self.witness.delivered(delivery) }
        if let order = try? Order.decode(answer), let ask = order.ask { self.witness.wasAsked(ask) }
        if let report, !report.items.isEmpty, let reply = try? ReportReply.decode(answer) {
            self.witness.answered(report, reply.verdicts)
            for (item, verdict) in zip(report.items, reply.verdicts) {
                self.observe(item, verdict)
                guard verdict == .accepted else { continue }
                self.witness.closingAccepted(item, wallOffsets: (wallOffset, self.world.wallOffsetMicroseconds))
            }
        }
        if self.witness.services.lastEpoch == epoch, let acquire = try? Acquire.decode(frame),
            let reply = try? Acquired.decode(answer)
        {
            self.witness.received(reply, to: acquire, sentAt: sentAt, in: epoch)
        }
        return answer
    }

    private func observe(_ item: Report.Item, _ verdict: ReportReply.Verdict) {
        switch (verdict, item.result) {
        case (.accepted, .succeeded), (.accepted, .completed): self.witness.wasToldAccepted(item.id)
        case (.accepted, _): break
        case (.refused, _), (.unknown, _): self.witness.count(.resultRefused)
        }
    }

    func close() async { await self.inner.close() }
}
