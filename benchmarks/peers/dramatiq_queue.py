"""Dramatiq with Redis as its broker, two processes of eight threads, as it comes."""

import contextlib
import importlib.metadata

from . import framework, measure
from .measure import Peer
from .redis_server import durability, redis, version

PROMISE = "at least once; retries with back-off; dead workers' jobs come back after a minute"


class DramatiqOnRedis(Peer):
    name = "Dramatiq on Redis"
    ways = {1: "actor.send (no batches)"}
    durabilities = (durability(measure.EACH_WRITE, PROMISE), durability(measure.EACH_SECOND, PROMISE))

    def version(self):
        return f"{importlib.metadata.version('dramatiq')}, Redis {version()}"

    @contextlib.contextmanager
    def open(self, folder, board, durability):
        with redis(folder, durability.sync) as port:
            url = f"redis://127.0.0.1:{port}/0"
            values = framework.environment(board, url)
            from dramatiq.brokers.redis import RedisBroker
            from redis import Redis

            from . import dramatiq_app

            broker = RedisBroker(url=url)
            broker.declare_queue("jobs")
            connection = Redis.from_url(url)

            def submit(payloads):
                for body in payloads:
                    broker.enqueue(dramatiq_app.handle.message(body))

            def held():
                running = sum(connection.scard(key) for key in connection.scan_iter("dramatiq:__acks__.*.jobs"))
                return connection.llen("dramatiq:jobs") + running

            command = [framework.script("dramatiq"), "peers.dramatiq_app", "--processes", "2", "--threads", "8"]
            with framework.workers([command], folder, values):
                yield framework.FrameworkSession(submit, held)


PEERS = [DramatiqOnRedis()]
