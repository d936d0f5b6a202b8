"""gearmand: made for dispatch speed, with its jobs in memory or in an SQLite file."""

import contextlib
import struct

from . import measure, pipeline
from .measure import BATCH, Durability, Peer
from .server import connect, debian_version, free_port, server

CAN_DO, PRE_SLEEP, NOOP, JOB_CREATED, GRAB_JOB, NO_JOB, JOB_ASSIGN, WORK_COMPLETE, SUBMIT_JOB_BG = \
    1, 4, 6, 8, 9, 10, 11, 13, 18
ASK_MAX = 200
_HEAD = struct.Struct("!4sII")


def packet(kind, body=b""):
    return _HEAD.pack(b"\0REQ", kind, len(body)) + body


def packets(data):
    """Kind and body of each whole packet, and the bytes of one that is not whole."""
    place, found, size = 0, [], len(data)
    while place + 12 <= size:
        _, kind, length = _HEAD.unpack_from(data, place)
        if place + 12 + length > size:
            break
        found.append((kind, data[place + 12:place + 12 + length]))
        place += 12 + length
    return found, data[place:]


class Producer(pipeline.Producer):
    def __init__(self, port):
        self.link = connect(port)
        self._rest = b""

    def request(self, payloads):
        return b"".join(packet(SUBMIT_JOB_BG, b"jobs\0\0" + body) for body in payloads)

    def answers(self, data):
        found, self._rest = packets(self._rest + data)
        if any(kind != JOB_CREATED for kind, _ in found):
            raise RuntimeError(f"gearmand refused a job: {found}")
        return len(found)


class Consumer(pipeline.Consumer):
    """Asks for up to 200 jobs in one write, as many as there were; sleeps when there is none."""

    def __init__(self, port):
        self.link = connect(port)
        self._rest = b""
        self._asked = self._unanswered = 1
        self._handles = []
        # What the last write completed: the answers to the requests behind it say that it was read.
        self._completed = 0
        self._awake = True

    def start(self):
        return packet(CAN_DO, b"jobs") + packet(GRAB_JOB)

    def take(self, data):
        found, self._rest = packets(self._rest + data)
        bodies, done = [], 0
        for kind, body in found:
            if kind == JOB_ASSIGN:
                handle, _, payload = body.split(b"\0", 2)
                self._handles.append(handle)
                bodies.append(payload)
                self._unanswered -= 1
            elif kind == NO_JOB:
                self._unanswered -= 1
            elif kind == NOOP:
                self._awake = True
            else:
                raise RuntimeError(f"gearmand said {kind}: {body}")
        if self._unanswered == 0:
            done, self._completed = self._completed, 0
        return bodies, self._answer, done

    def _answer(self):
        if self._unanswered or not self._awake:
            return b""
        got = len(self._handles)
        if got == 0 and self._asked > 0:
            self._asked, self._awake = 0, False
            return packet(PRE_SLEEP)
        self._asked = self._unanswered = min(ASK_MAX, max(1, 2 * got))
        completes = b"".join(packet(WORK_COMPLETE, handle + b"\0") for handle in self._handles)
        self._completed = got
        self._handles = []
        return completes + packet(GRAB_JOB) * self._asked


class Gearmand(Peer):
    name = "gearmand"
    ways = {1: "SUBMIT_JOB_BG", BATCH: "200 SUBMIT_JOB_BG in one write"}
    durabilities = (
        Durability(measure.EACH_WRITE, "--queue-type libsqlite3", "at least once; survives kill -9"),
        Durability(measure.NONE, "--queue-type builtin", "at least once while it runs; lost on kill -9"),
    )

    def version(self):
        return debian_version("gearman-job-server")

    @contextlib.contextmanager
    def open(self, folder, board, durability):
        port = free_port()
        queue = ["--queue-type", "builtin"]
        if durability.sync == measure.EACH_WRITE:
            queue = ["--queue-type", "libsqlite3", "--libsqlite3-db", folder + "/jobs.db"]
        command = ["gearmand", "--listen", "127.0.0.1", "--port", port, "--log-file", "stderr", "--threads", "4",
                   "--pid-file", folder + "/pid", *queue]
        with server(command, folder, "gearmand", port), \
                pipeline.session(lambda: Producer(port), lambda: Consumer(port), board) as session:
            yield session


PEERS = [Gearmand()]
