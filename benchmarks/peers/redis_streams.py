"""A stream of Redis with a consumer group: the queue that Redis itself documents for jobs that must not be lost."""

import contextlib

import hiredis

from . import measure, pipeline
from .measure import BATCH, Peer
from .redis_server import durability, redis, version
from .server import connect

TAKE = 200


def command(*parts):
    parts = [part if isinstance(part, bytes) else str(part).encode() for part in parts]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


class Connection:
    def __init__(self, port):
        self.link = connect(port)
        self._reader = hiredis.Reader()

    def replies(self, data):
        self._reader.feed(data)
        found = []
        while (reply := self._reader.gets()) is not False:
            if isinstance(reply, hiredis.ReplyError):
                raise reply
            found.append(reply)
        return found


class Producer(Connection, pipeline.Producer):
    def request(self, payloads):
        return b"".join(command("XADD", "jobs", "*", "p", body) for body in payloads)

    def answers(self, data):
        return len(self.replies(data))


class Consumer(Connection, pipeline.Consumer):
    """Acknowledges and removes what was handled, and asks for the next jobs, in one write."""

    def __init__(self, port):
        super().__init__(port)
        name = f"worker-{self.link.getsockname()[1]}"
        self._ask = command("XREADGROUP", "GROUP", "workers", name, "COUNT", TAKE, "BLOCK", 0, "STREAMS", "jobs", ">")
        self._handled = []

    def start(self):
        return self._ask

    def take(self, data):
        bodies, done = [], 0
        for reply in self.replies(data):
            if isinstance(reply, list):
                for identifier, fields in reply[0][1]:
                    self._handled.append(identifier)
                    bodies.append(fields[1])
            else:
                self._removals = not self._removals
                if not self._removals:
                    done += reply
        return bodies, self._answer, done

    # The answer to XACK comes before that to XDEL.
    _removals = False

    def _answer(self):
        if not self._handled:
            return b""
        handled, self._handled = self._handled, []
        return command("XACK", "jobs", "workers", *handled) + command("XDEL", "jobs", *handled) + self._ask


class RedisStreams(Peer):
    name = "Redis streams"
    ways = {1: "XADD", BATCH: "pipeline of 200 XADD"}
    durabilities = (
        durability(measure.EACH_WRITE, "at least once; survives kill -9 and power loss; retries by XAUTOCLAIM"),
        durability(measure.EACH_SECOND, "at least once; survives kill -9, power loss takes a second"),
        durability(measure.NONE, "at least once; survives kill -9, power loss takes what the kernel held"),
    )

    def version(self):
        return version()

    @contextlib.contextmanager
    def open(self, folder, board, durability):
        with redis(folder, durability.sync) as port:
            with connect(port) as link:
                link.sendall(command("XGROUP", "CREATE", "jobs", "workers", "0", "MKSTREAM"))
                if link.recv(100) != b"+OK\r\n":
                    raise RuntimeError("Redis made no consumer group")
            with pipeline.session(lambda: Producer(port), lambda: Consumer(port), board) as session:
                yield session


PEERS = [RedisStreams()]
