"""beanstalkd: a bare broker with a write-ahead log."""

import contextlib

from . import measure, pipeline
from .measure import BATCH, Durability, Peer
from .server import connect, debian_version, free_port, server

ASK_MAX = 200
# Seconds that a worker may hold a job before another one gets it.
TIME_TO_RUN = 120


class Producer(pipeline.Producer):
    def __init__(self, port):
        self.link = connect(port)
        self._rest = b""

    def request(self, payloads):
        return b"".join(b"put 0 0 %d %d\r\n%b\r\n" % (TIME_TO_RUN, len(body), body) for body in payloads)

    def answers(self, data):
        lines, _, self._rest = (self._rest + data).rpartition(b"\n")
        count = lines.count(b"INSERTED ")
        if lines and count != lines.count(b"\n") + 1:
            raise RuntimeError(f"beanstalkd refused a job: {lines[:100]}")
        return count


class Consumer(pipeline.Consumer):
    """Waits for one job and takes what else is there, up to twice as many as last time and 200 at most; then deletes
    all in one write."""

    def __init__(self, port):
        self.link = connect(port)
        self._rest = b""
        self._unanswered = 1
        self._reserved = []

    def start(self):
        return b"reserve\r\n"

    def take(self, data):
        data = self._rest + data
        place, bodies, done = 0, [], 0
        while (end := data.find(b"\r\n", place)) >= 0:
            if data.startswith(b"RESERVED", place):
                _, number, size = data[place:end].split()
                after = end + 2 + int(size)
                if after + 2 > len(data):
                    break
                bodies.append(data[end + 2:after])
                self._reserved.append(number)
                self._unanswered -= 1
                place = after + 2
                continue
            if data.startswith(b"DELETED", place):
                done += 1
            elif data.startswith(b"TIMED_OUT", place):
                self._unanswered -= 1
            else:
                raise RuntimeError(f"beanstalkd said {data[place:end]}")
            place = end + 2
        self._rest = data[place:]
        return bodies, self._answer, done

    def _answer(self):
        if self._unanswered:
            return b""
        deletes = b"".join(b"delete %b\r\n" % number for number in self._reserved)
        self._unanswered = min(ASK_MAX, 2 * len(self._reserved))
        self._reserved = []
        return deletes + b"reserve\r\n" + b"reserve-with-timeout 0\r\n" * (self._unanswered - 1)


class Beanstalkd(Peer):
    name = "beanstalkd"
    ways = {1: "put", BATCH: "200 puts in one write"}
    durabilities = (
        Durability(measure.EACH_WRITE, "-b DIR -f0", "at least once; survives kill -9 and power loss"),
        Durability(measure.EACH_SECOND, "-b DIR -f1000", "at least once; survives kill -9, power loss takes a second"),
        Durability(measure.NONE, "no -b (memory)", "at least once while it runs; lost on kill -9"),
    )

    def version(self):
        return debian_version("beanstalkd")

    @contextlib.contextmanager
    def open(self, folder, board, durability):
        port = free_port()
        options = {
            measure.EACH_WRITE: ["-b", folder, "-f0"], measure.EACH_SECOND: ["-b", folder, "-f1000"], measure.NONE: [],
        }[durability.sync]
        with server(["beanstalkd", "-l", "127.0.0.1", "-p", port, *options], folder, "beanstalkd", port), \
                pipeline.session(lambda: Producer(port), lambda: Consumer(port), board) as session:
            yield session


PEERS = [Beanstalkd()]
