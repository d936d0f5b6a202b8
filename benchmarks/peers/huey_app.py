"""The Huey instance and task, for its consumer and for who submits."""

import os

from huey import RedisHuey, SqliteHuey

from . import tasks


def make(url):
    """`redis://…`, or the path of an SQLite file and whether it syncs each write: `sqlite:PATH:True`."""
    if url.startswith("redis:"):
        return RedisHuey("jobs", url=url, results=False)
    _, path, sync = url.split(":")
    return SqliteHuey("jobs", filename=path, fsync=sync == "True", results=False)


huey = make(os.environ[tasks.URL_VARIABLE])


def register(instance):
    return instance.task(name="handle")(tasks.handle)


handle = register(huey)
