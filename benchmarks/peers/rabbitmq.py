"""RabbitMQ: persistent messages with publisher confirms, over AMQP 0-9-1."""

import contextlib
import struct

from . import measure, pipeline
from .measure import BATCH, Durability, Peer
from .server import connect, debian_version, free_port, server

PREFETCH = 1000
METHOD, HEADER, BODY = 1, 2, 3
CONNECTION_START, CONNECTION_TUNE, CONNECTION_OPEN_OK = (10, 10), (10, 30), (10, 41)
CHANNEL_OPEN_OK, DECLARE_OK, QOS_OK, CONSUME_OK = (20, 11), (50, 11), (60, 11), (60, 21)
DELIVER, ACK, SELECT_OK = (60, 60), (60, 80), (85, 11)
_FRAME = struct.Struct("!BHI")
_METHOD = struct.Struct("!HH")


def frame(kind, channel, body):
    return _FRAME.pack(kind, channel, len(body)) + body + b"\xce"


def method(channel, number, *parts):
    return frame(METHOD, channel, _METHOD.pack(*number) + b"".join(parts))


def short(text):
    return struct.pack("!B", len(text)) + text


def long(text):
    return struct.pack("!I", len(text)) + text


def table(entries):
    return long(b"".join(short(name) + b"S" + long(value) for name, value in entries.items()))


class Connection:
    def __init__(self, port):
        self.link = connect(port)
        self._rest = b""
        self._early = []
        self.link.sendall(b"AMQP\0\0\x09\x01")
        self._expect(CONNECTION_START)
        self.link.sendall(method(0, (10, 11), table({}), short(b"PLAIN"), long(b"\0guest\0guest"), short(b"en_US")))
        self._expect(CONNECTION_TUNE)
        self.link.sendall(method(0, (10, 31), struct.pack("!HIH", 10, 131_072, 0))
                          + method(0, (10, 40), short(b"/"), short(b""), b"\0"))
        self._expect(CONNECTION_OPEN_OK)
        self.call((20, 10), CHANNEL_OPEN_OK, short(b""))

    def call(self, number, answer, *parts):
        self.link.sendall(method(1, number, *parts))
        self._expect(answer)

    def _expect(self, number):
        while not self._early:
            self._early = self.frames(pipeline.received(self.link))
        kind, body = self._early.pop(0)
        if kind != METHOD or _METHOD.unpack_from(body) != number:
            raise RuntimeError(f"RabbitMQ said {body[:200]} where {number} was expected")

    def frames(self, data):
        data = self._rest + data
        place, found, size = 0, [], len(data)
        while place + 8 <= size:
            kind, _, length = _FRAME.unpack_from(data, place)
            if place + 8 + length > size:
                break
            found.append((kind, data[place + 7:place + 7 + length]))
            place += 8 + length
        self._rest = data[place:]
        return found


class Producer(Connection, pipeline.Producer):
    def __init__(self, port, persistent):
        super().__init__(port)
        self._mode = 2 if persistent else 1
        # All up to this one are confirmed, and these beyond it.
        self._confirmed = 0
        self._beyond = set()
        self.call((85, 10), SELECT_OK, b"\0")

    def request(self, payloads):
        publish = method(1, (60, 40), b"\0\0", short(b""), short(b"jobs"), b"\0")
        return b"".join(
            publish + frame(HEADER, 1, struct.pack("!HHQHB", 60, 0, len(body), 0x1000, self._mode))
            + frame(BODY, 1, body) for body in payloads)

    def answers(self, data):
        count = 0
        for _, body in self.frames(data):
            if _METHOD.unpack_from(body) != ACK:
                raise RuntimeError(f"RabbitMQ refused a job: {body[:200]}")
            count += self._confirm(*struct.unpack_from("!QB", body, 4))
        return count

    def _confirm(self, tag, multiple):
        """Confirms come in any order, and one may be for all up to its number."""
        if not multiple:
            self._beyond.add(tag)
            count = 1
        else:
            earlier = {other for other in self._beyond if other <= tag}
            count = tag - self._confirmed - len(earlier)
            self._beyond -= earlier
            self._confirmed = tag
        while self._confirmed + 1 in self._beyond:
            self._confirmed += 1
            self._beyond.remove(self._confirmed)
        return count


class Consumer(Connection, pipeline.Consumer):
    """Acknowledges all of a burst at once. Acknowledgements have no answer in AMQP: a request behind them, one at a
    time, tells when the channel has read them."""

    _QOS = struct.pack("!IHB", 0, PREFETCH, 0)

    def __init__(self, port):
        super().__init__(port)
        self._delivered = self._complete = 0
        # Handled and not acknowledged, acknowledged, and acknowledged before the request that has no answer yet.
        self._handled = self._acknowledged = self._asked = 0
        self.call((60, 10), QOS_OK, self._QOS)

    def start(self):
        return method(1, (60, 20), b"\0\0", short(b"jobs"), short(b""), b"\0", table({}))

    def take(self, data):
        bodies, done = [], 0
        for kind, body in self.frames(data):
            if kind == BODY:
                bodies.append(body)
                self._complete = self._delivered
            elif kind == METHOD:
                number = _METHOD.unpack_from(body)
                if number == DELIVER:
                    self._delivered = struct.unpack_from("!Q", body, 5 + body[4])[0]
                elif number == QOS_OK:
                    done, self._asked = self._asked, 0
                elif number != CONSUME_OK:
                    raise RuntimeError(f"RabbitMQ said {body[:200]}")
        self._handled += len(bodies)
        return bodies, self._answer, done

    def _answer(self):
        answer = b""
        if self._handled:
            answer = method(1, ACK, struct.pack("!QB", self._complete, 1))
            self._acknowledged += self._handled
            self._handled = 0
        if self._acknowledged and not self._asked:
            answer += method(1, (60, 10), self._QOS)
            self._asked, self._acknowledged = self._acknowledged, 0
        return answer


QUORUM, CLASSIC, TRANSIENT = "quorum queue", "classic durable queue", "classic transient queue, transient messages"


class RabbitMQ(Peer):
    name = "RabbitMQ"
    ways = {1: "basic.publish, confirmed", BATCH: "200 published before their confirms"}
    durabilities = (
        Durability(measure.EACH_WRITE, QUORUM + " (one node), persistent",
                   "at least once; survives kill -9 and power loss"),
        Durability(measure.EACH_WRITE, CLASSIC + ", persistent",
                   "at least once; survives kill -9 and power loss"),
        Durability(measure.NONE, TRANSIENT, "at least once while it runs; lost on kill -9"),
    )

    def version(self):
        return debian_version("rabbitmq-server")

    @contextlib.contextmanager
    def open(self, folder, board, durability):
        port = free_port()
        persistent = not durability.setting.startswith(TRANSIENT)
        with node(folder, port):
            declare(port, durability)
            with pipeline.session(lambda: Producer(port, persistent), lambda: Consumer(port), board) as session:
                yield session


def declare(port, durability):
    connection = Connection(port)
    quorum = durability.setting.startswith(QUORUM)
    durable = 0 if durability.setting.startswith(TRANSIENT) else 2
    connection.call((50, 10), DECLARE_OK, b"\0\0", short(b"jobs"), bytes([durable]),
                    table({b"x-queue-type": b"quorum" if quorum else b"classic"}))
    connection.link.close()


@contextlib.contextmanager
def node(folder, port):
    """One node, and the port mapper of Erlang, which would outlive it otherwise."""
    mapper = free_port()
    with open(folder + "/rabbitmq.conf", "w") as file:
        file.write(f"listeners.tcp.1 = 127.0.0.1:{port}\n")
    with open(folder + "/enabled_plugins", "w") as file:
        file.write("[].\n")
    environment = {
        "HOME": folder,
        "ERL_EPMD_PORT": str(mapper),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": "peers@localhost",
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_CONFIG_FILE": folder + "/rabbitmq.conf",
        "RABBITMQ_CONF_ENV_FILE": folder + "/none.conf",
        "RABBITMQ_ENABLED_PLUGINS_FILE": folder + "/enabled_plugins",
        "RABBITMQ_MNESIA_BASE": folder + "/mnesia",
        "RABBITMQ_LOG_BASE": folder + "/log",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
    }
    with server(["epmd", "-port", mapper, "-address", "127.0.0.1"], folder, "epmd", mapper), \
            server(["/usr/lib/rabbitmq/bin/rabbitmq-server"], folder, "rabbitmq-server", port, environment):
        yield


PEERS = [RabbitMQ()]
