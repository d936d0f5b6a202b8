"""The Celery application, for its workers and for who submits."""

import os

from celery import Celery

from . import tasks


def make(url):
    app = Celery("jobs", broker=url)
    app.conf.update(
        task_acks_late=True,
        task_ignore_result=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=128,
        worker_disable_rate_limits=True,
    )
    app.task(name="handle")(tasks.handle)
    return app


app = make(os.environ[tasks.URL_VARIABLE])
