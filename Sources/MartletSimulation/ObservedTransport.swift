import MartletCore
import MartletTransport
import MartletWire

/// A node's transport that lets the witness hear which results the coordinator called accepted.
struct ObservedTransport: Transport {
    let inner: any Transport
    let witness: Witness

    func listen(at address: String, contexts: Int) async throws(TransportError) -> any RequestListener {
        try await self.inner.listen(at: address, contexts: contexts)
    }

    func connect(to address: String) throws(TransportError) -> any RequestConnection {
        ObservedConnection(inner: try self.inner.connect(to: address), witness: self.witness)
    }
}

private struct ObservedConnection: RequestConnection {
    let inner: any RequestConnection
    let witness: Witness

    func request(_ frame: Bytes, timeout: Duration) async throws(TransportError) -> Bytes {
        let answer = try await self.inner.request(frame, timeout: timeout)
        if let delivery = try? Delivery.decode(answer) { self.witness.delivered(delivery) }
        if let order = try? Order.decode(answer), let ask = order.ask { self.witness.wasAsked(ask) }
        if let report = try? Report.decode(frame), !report.items.isEmpty,
            let reply = try? ReportReply.decode(answer)
        {
            self.witness.answered(report, reply.verdicts)
            for (item, verdict) in zip(report.items, reply.verdicts) { self.observe(item, verdict) }
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
