"""NATS JetStream: a stream with work-queue retention and a pull consumer with explicit acknowledgements."""

import contextlib
import json

from . import measure, pipeline
from .measure import BATCH, Durability, Peer
from .server import connect, debian_version, free_port, server

PULL = 200
HELLO = b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":1}\r\n'


class Connection:
    """Takes messages apart and answers the server's pings."""

    def __init__(self, port):
        self.link = connect(port)
        self._rest = b""
        self.inbox = b"_INBOX.%d" % self.link.getsockname()[1]
        self.link.sendall(HELLO + b"SUB %b.> 1\r\n" % self.inbox)

    def messages(self, data):
        """Subject of the reply or nothing, header, and body of each."""
        data = self._rest + data
        place, found = 0, []
        while (end := data.find(b"\r\n", place)) >= 0:
            kind = data[place:place + 4]
            if kind == b"MSG " or kind == b"HMSG":
                words = data[place:end].split()
                size = int(words[-1])
                after = end + 2 + size
                if after + 2 > len(data):
                    break
                head = int(words[-2]) if kind == b"HMSG" else 0
                reply = words[3] if len(words) == (6 if head else 5) else None
                found.append((reply, data[end + 2:end + 2 + head], data[end + 2 + head:after]))
                place = after + 2
                continue
            if kind == b"PING":
                self.link.sendall(b"PONG\r\n")
            elif kind == b"-ERR":
                raise RuntimeError(f"NATS said {data[place:end]}")
            place = end + 2
        self._rest = data[place:]
        return found

    def ask(self, subject, content):
        body = json.dumps(content).encode()
        self.link.sendall(b"PUB %b %b.ask %d\r\n%b\r\n" % (subject.encode(), self.inbox, len(body), body))
        while not (found := self.messages(pipeline.received(self.link))):
            pass
        answer = json.loads(found[0][2])
        if "error" in answer:
            raise RuntimeError(f"NATS refused {subject}: {answer['error']}")


class Producer(Connection, pipeline.Producer):
    def request(self, payloads):
        return b"".join(b"PUB jobs %b.p %d\r\n%b\r\n" % (self.inbox, len(body), body) for body in payloads)

    def answers(self, data):
        found = self.messages(data)
        for _, _, body in found:
            if b'"seq"' not in body:
                raise RuntimeError(f"NATS refused a job: {body}")
        return len(found)


class Consumer(Connection, pipeline.Consumer):
    """Keeps up to 400 jobs asked for. The last acknowledgement of each burst asks for an answer, which tells that it
    and those before it have arrived."""

    def __init__(self, port):
        super().__init__(port)
        self._pull = b"PUB $JS.API.CONSUMER.MSG.NEXT.jobs.workers %b.m %d\r\n%d\r\n" % (
            self.inbox, len(str(PULL)), PULL)
        self._wanted = 0
        self._handled = []
        self._acknowledged = []

    def start(self):
        self._wanted = 2 * PULL
        return self._pull * 2

    def take(self, data):
        bodies, done = [], 0
        for reply, head, body in self.messages(data):
            if head:
                raise RuntimeError(f"NATS said {head}")
            if reply is None:
                done += self._acknowledged.pop(0)
                continue
            self._handled.append(reply)
            bodies.append(body)
        self._wanted -= len(bodies)
        return bodies, self._answer, done

    def _answer(self):
        handled, self._handled = self._handled, []
        if not handled:
            return b""
        self._acknowledged.append(len(handled))
        answer = b"".join(b"PUB %b 0\r\n\r\n" % reply for reply in handled[:-1])
        answer += b"PUB %b %b.a 0\r\n\r\n" % (handled[-1], self.inbox)
        if self._wanted <= PULL:
            self._wanted += PULL
            answer += self._pull
        return answer


class JetStream(Peer):
    name = "NATS JetStream"
    ways = {1: "publish, acknowledged", BATCH: "200 published before their acknowledgements"}
    durabilities = (
        Durability(measure.NONE, "storage file (this version syncs every 2 minutes, not settable)",
                   "at least once; survives kill -9, power loss takes up to 2 minutes"),
    )

    def version(self):
        return debian_version("nats-server")

    @contextlib.contextmanager
    def open(self, folder, board, durability):
        port = free_port()
        command = ["nats-server", "-a", "127.0.0.1", "-p", port, "-js", "-sd", folder]
        with server(command, folder, "nats-server", port):
            setup = Connection(port)
            setup.ask("$JS.API.STREAM.CREATE.jobs", {
                "name": "jobs", "subjects": ["jobs"], "retention": "workqueue", "storage": "file", "num_replicas": 1,
            })
            setup.ask("$JS.API.CONSUMER.DURABLE.CREATE.jobs.workers", {
                "stream_name": "jobs",
                "config": {"durable_name": "workers", "ack_policy": "explicit", "ack_wait": 120_000_000_000,
                           "max_ack_pending": 20_000},
            })
            setup.link.close()
            with pipeline.session(lambda: Producer(port), lambda: Consumer(port), board) as session:
                yield session


PEERS = [JetStream()]
