"""A Redis server for the queues that live in Redis."""

import contextlib

from . import measure
from .measure import Durability
from .server import debian_version, free_port, server

APPENDFSYNC = {measure.EACH_WRITE: "always", measure.EACH_SECOND: "everysec", measure.NONE: "no"}


def durability(sync, promise):
    return Durability(sync, f"appendonly yes, appendfsync {APPENDFSYNC[sync]}", promise)


def version():
    return debian_version("redis-server")


@contextlib.contextmanager
def redis(folder, sync):
    """Gives its port."""
    port = free_port()
    command = ["redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", folder, "--save", "",
               "--appendonly", "yes", "--appendfsync", APPENDFSYNC[sync], "--daemonize", "no"]
    with server(command, folder, "redis-server", port):
        yield port
