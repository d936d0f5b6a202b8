"""RQ, a queue in Redis: workers that do not fork for each job, which its documentation offers where speed counts."""

import contextlib
import importlib.metadata

from . import framework, measure
from .measure import BATCH, Peer
from .redis_server import durability, redis, version

PROMISE = "once at most unless Retry is given; a job whose worker died goes to the failed ones"


class RQ(Peer):
    name = "RQ on Redis"
    ways = {1: "queue.enqueue", BATCH: "queue.enqueue_many of 200"}
    durabilities = (durability(measure.EACH_WRITE, PROMISE), durability(measure.EACH_SECOND, PROMISE))

    def version(self):
        return f"{importlib.metadata.version('rq')}, Redis {version()}"

    @contextlib.contextmanager
    def open(self, folder, board, durability):
        from redis import Redis
        from rq import Queue

        from . import tasks

        with redis(folder, durability.sync) as port:
            url = f"redis://127.0.0.1:{port}/0"
            values = framework.environment(board, url)
            connection = Redis.from_url(url)
            jobs = Queue("jobs", connection=connection)

            def submit(payloads):
                if len(payloads) == 1:
                    jobs.enqueue(tasks.handle, payloads[0], result_ttl=0)
                else:
                    jobs.enqueue_many([Queue.prepare_data(tasks.handle, [body], result_ttl=0) for body in payloads])

            def held():
                return len(jobs) + jobs.started_job_registry.count

            command = [framework.script("rq"), "worker", "--quiet", "--worker-class", "rq.SimpleWorker", "--url", url,
                       "jobs"]
            with framework.workers([command] * 2, folder, values):
                yield framework.FrameworkSession(submit, held)


PEERS = [RQ()]
