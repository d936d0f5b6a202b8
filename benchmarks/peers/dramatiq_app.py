"""The Dramatiq broker and actor, for its workers and for who submits."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from . import tasks

broker = RedisBroker(url=os.environ[tasks.URL_VARIABLE])
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name="jobs")
def handle(payload):
    tasks.handle(payload)
