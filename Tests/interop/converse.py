"""Talks to a live coordinator as a client and as a worker, over plain sockets: all that the protocol page promises.

    converse.py <clients' address> <nodes' address> [token]
"""
import os
import struct
import sys

from martlet_connection import Connection, Refused
from martlet_wire import encode

MALFORMED, UNKNOWN_VERSION, FAILED, INVALID, EXPIRED, NOT_FOUND, UNKNOWN_NODE, TAKEN = 1, 2, 5, 6, 11, 12, 13, 14
SUCCEEDED, FAILED_RESULT, RETURNED = 1, 2, 3
ACCEPTED, REFUSED = 1, 2


def refused(code, ask):
    try:
        ask()
    except Refused as refusal:
        assert refusal.code == code, f"refused with {refusal}, not {code}"
        return
    raise AssertionError(f"not refused with {code}")


def template(type_, **options):
    fields = {name: None for name in ("timeout", "max_attempts", "initial_backoff", "max_backoff", "jitter")}
    return {"type": type_, "queue": "interop", "priority": 5, **fields, **options}


def submit(session, sequence, payloads, templates=None):
    return {"session": session, "sequence": sequence, "templates": templates or [template("echo")],
            "jobs": [{"template": 0, "due": None, "payload": payload} for payload in payloads]}


class Node:
    """A worker's session: the numbers that it counts."""

    def __init__(self, connection, name, incarnation=None):
        self.connection, self.name = connection, name
        self.incarnation = incarnation or int.from_bytes(os.urandom(8), "little")
        self.last_delivery = self.registrations = 0

    def register(self, inventory=(), holds_name_lock=False):
        self.registrations += 1
        reply = self.connection.request(
            "register", name=self.name, incarnation=self.incarnation, slots=4, prefetch_max=8, queues=["interop"],
            types=["echo", "fail"], holds_name_lock=holds_name_lock, gives_back=False, last_delivery=self.last_delivery,
            number=self.registrations, inventory=list(inventory))
        self.key, self.report_number, self.credit = reply["key"], 0, 0
        return reply

    def ask(self, credit):
        self.credit = credit
        return self.connection.send("fetch", key=self.key, last_delivery=self.last_delivery, credit_total=credit)

    def take(self, number):
        """The jobs of a delivery, each with its lease token; None if the fetch was superseded."""
        name, delivery = self.connection.receive(number)
        assert name == "delivery", (name, delivery)
        if delivery["number"] == 0:
            return None
        self.last_delivery = delivery["number"]
        return [dict(job, token=(delivery["epoch"], job["lease_sequence"])) for job in delivery["jobs"]]

    def report(self, items=(), draining=False, last=False):
        self.report_number += 1
        self.frame = encode("report", {
            "key": self.key, "number": self.report_number, "last_delivery": self.last_delivery,
            "credit_total": self.credit, "draining": draining, "last": last, "running": [],
            "items": [{"id": job["id"], "token": job["token"], "result": result, **more}
                      for job, result, more in items]})
        reply = self.connection.request_frame(self.frame)
        assert reply["number"] == self.report_number
        return reply["verdicts"]


def as_client(client):
    pong = client.request("ping")
    assert pong["version"] and pong["epoch"] >= 1, pong
    session = struct.unpack("<QQ", os.urandom(16))
    refused(EXPIRED, lambda: client.request("submit", **submit(session, 1, [b"{}"])))
    limits = client.request("open_session", session=session)
    assert limits["submits_in_flight_max"] == 256, limits

    frame = encode("submit", submit(session, 1, [b'{"n":1}', b'{"n":2}', b'{"n":3}']))
    first = client.request_frame(frame)
    assert first["count"] == 3 and not first["repeat"], first
    assert client.request_frame(frame) == dict(first, repeat=True), "a repeated submit creates nothing"

    shown = client.request("show_job", id=first["first"])
    assert shown["payload"] == b'{"n":1}' and shown["job"]["type"] == "echo", shown
    refused(NOT_FOUND, lambda: client.request("show_job", id=first["first"] + 1000))
    refused(MALFORMED, lambda: client.request("list_jobs", state=None, queue="not a name", type=None, after=None, limit=1))
    refused(UNKNOWN_VERSION, lambda: client.request_frame(frame[:4] + b"\x02" + frame[5:]))
    refused(INVALID, lambda: client.request("fetch", key=1, last_delivery=0, credit_total=0))
    return session, first["first"]


def as_worker(client, worker, other, session, first):
    node = Node(worker, "python-1")
    refused(UNKNOWN_NODE, lambda: worker.request("fetch", key=1, last_delivery=0, credit_total=0))
    node.register()
    refused(TAKEN, lambda: Node(other, "python-1").register())

    jobs = node.take(node.ask(credit=2))
    while len(jobs) < 2:
        jobs += node.take(node.ask(credit=2))
    assert [job["id"] for job in jobs] == [first, first + 1] and jobs[0]["payload"] == b'{"n":1}', jobs
    assert node.report([(jobs[0], SUCCEEDED, {}), (jobs[1], RETURNED, {})]) == [ACCEPTED, ACCEPTED]
    assert worker.request_frame(node.frame)["verdicts"] == [ACCEPTED, ACCEPTED], "a repeated report is answered alike"
    assert node.report([(jobs[0], SUCCEEDED, {})]) == [REFUSED], "a lease ends once"

    # A reply that never came, as far as the coordinator can tell: the fetch does not say it was received.
    lost = node.take(node.ask(credit=3))
    node.last_delivery -= 1
    again = node.take(node.ask(credit=3))
    assert lost == again, "a lost delivery comes again as it was"

    parked = node.ask(credit=3)
    node.ask(credit=3)
    assert node.take(parked) is None, "a later fetch supersedes"

    # The connection is lost with the job in hand; the inventory keeps its lease.
    node.connection = other
    verdicts = node.register([{"id": lost[0]["id"], "token": lost[0]["token"], "phase": 2},
                              {"id": first, "token": jobs[0]["token"], "phase": 3}])["verdicts"]
    assert [verdict["verdict"] for verdict in verdicts] == [1, 2], verdicts
    kept = dict(lost[0], token=verdicts[0]["token"])
    assert node.report([(kept, SUCCEEDED, {})]) == [ACCEPTED]

    left = node.take(node.ask(credit=1))
    never = template("fail", max_attempts=1, initial_backoff=10**9, max_backoff=10**9, jitter=0.0)
    assert node.report([(left[0], SUCCEEDED, {})]) == [ACCEPTED]
    dead = client.request("submit", **submit(session, 2, [b"[]"], [never]))["first"]
    job = node.take(node.ask(credit=2))[0]
    assert job["id"] == dead and job["attempt"] == 1, job
    failure = {"retryable": True, "kind": "ValueError", "message": "müde" * 1000}
    assert node.report([(job, FAILED_RESULT, failure)]) == [ACCEPTED]
    listed = client.request("list_jobs", state=5, queue="interop", type=None, after=None, limit=10)["jobs"]
    assert [job["id"] for job in listed] == [dead], listed
    assert listed[0]["failure_kind"] == "ValueError" and len(listed[0]["failure_message"].encode()) <= 2048
    changed = client.request("change_dead", action=2, ids=[dead, dead + 500], queue=None, type=None)
    assert changed == {"count": 1, "missing": [dead + 500]}, changed

    assert [view["name"] for view in client.request("list_nodes")["nodes"]] == ["python-1"]
    assert node.report(draining=True, last=True) == []
    refused(UNKNOWN_NODE, lambda: node.connection.request("control", key=node.key, last_order=0))
    totals = client.request("list_queues")["queues"]
    echo = next(view for view in totals if view["type"] == "echo")
    assert (echo["submitted_total"], echo["succeeded_total"], echo["ready"]) == (3, 3, 0), echo


def main():
    clients, nodes = sys.argv[1:3]
    token = sys.argv[3].encode() if len(sys.argv) > 3 else None
    if token:
        refused(FAILED, lambda: Connection(clients, token + b"!").request("ping"))
    client = Connection(clients, token)
    session, first = as_client(client)
    as_worker(client, Connection(nodes, token), Connection(nodes, token), session, first)
    print("the conversation went as the protocol says")


if __name__ == "__main__":
    main()
