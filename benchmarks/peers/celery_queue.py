"""Celery with Redis as its broker, set as its page on optimizing says for short tasks, and so that no task is lost."""

import contextlib
import importlib.metadata

from . import framework, measure
from .measure import BATCH, Peer
from .redis_server import durability, redis, version

PROMISE = "at least once with acks_late; retries when asked; redelivered after an hour"


class CeleryOnRedis(Peer):
    name = "Celery on Redis"
    ways = {1: "task.apply_async", BATCH: "group of 200"}
    durabilities = (durability(measure.EACH_WRITE, PROMISE), durability(measure.EACH_SECOND, PROMISE))

    def version(self):
        return f"{importlib.metadata.version('celery')}, Redis {version()}"

    @contextlib.contextmanager
    def open(self, folder, board, durability):
        with redis(folder, durability.sync) as port:
            url = f"redis://127.0.0.1:{port}/0"
            values = framework.environment(board, url)
            from celery import group
            from redis import Redis

            from . import celery_app

            connection = Redis.from_url(url)
            handle = celery_app.make(url).tasks["handle"]

            def submit(payloads):
                if len(payloads) == 1:
                    handle.apply_async((payloads[0],))
                else:
                    group(handle.s(body) for body in payloads).apply_async()

            def held():
                return connection.llen("celery") + connection.hlen("unacked")

            command = [framework.script("celery"), "--app", "peers.celery_app", "worker", "--loglevel", "ERROR",
                       "--pool", "solo", "--without-gossip", "--without-mingle",
                       "--without-heartbeat"]
            with framework.workers([command] * 2, folder, values):
                yield framework.FrameworkSession(submit, held)


PEERS = [CeleryOnRedis()]
