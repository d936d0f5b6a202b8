"""Huey, in an SQLite file of its own or in Redis: two worker processes."""

import contextlib
import importlib.metadata
import sys

from . import framework, measure
from .measure import Durability, Peer
from .redis_server import durability, redis, version

PROMISE = "once at most; retries when the task raises; a job whose worker died is lost"


class Huey(Peer):
    ways = {1: "task() (no batches)"}

    @contextlib.contextmanager
    def _session(self, folder, board, url, options):
        values = framework.environment(board, url)
        from . import huey_app

        instance = huey_app.make(url)
        task = huey_app.register(instance)

        def submit(payloads):
            for body in payloads:
                task(body)

        command = [sys.executable, "-m", "huey.bin.huey_consumer", "peers.huey_app.huey", "--workers", "2",
                   "--worker-type", "process", "--quiet", "--no-periodic", *options]
        with framework.workers([command], folder, values):
            yield framework.FrameworkSession(submit, instance.pending_count)


class HueyOnRedis(Huey):
    name = "Huey on Redis"
    durabilities = (durability(measure.EACH_WRITE, PROMISE), durability(measure.EACH_SECOND, PROMISE))

    def version(self):
        return f"{importlib.metadata.version('huey')}, Redis {version()}"

    @contextlib.contextmanager
    def open(self, folder, board, durability):
        with redis(folder, durability.sync) as port, \
                self._session(folder, board, f"redis://127.0.0.1:{port}/0", []) as session:
            yield session


class HueyOnSQLite(Huey):
    name = "Huey on SQLite"
    durabilities = (
        Durability(measure.EACH_WRITE, "fsync=True, polls each 10 ms", PROMISE),
        Durability(measure.NONE, "fsync=False, polls each 10 ms", PROMISE),
    )

    def version(self):
        return importlib.metadata.version("huey")

    @contextlib.contextmanager
    def open(self, folder, board, durability):
        url = f"sqlite:{folder}/jobs.db:{durability.sync == measure.EACH_WRITE}"
        with self._session(folder, board, url, ["--delay", "0.01", "--max-delay", "0.01"]) as session:
            yield session


PEERS = [HueyOnRedis(), HueyOnSQLite()]
