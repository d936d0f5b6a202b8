"""Brokers that only carry jobs: driven by their documented wire protocols, many requests in one write.

A Python client library would cost more than these brokers do and hide their speed: here a request for 200 jobs is made
once and sent again and again, and what comes back is taken apart in one pass. A producer is one process with an event
loop over its connections, each with one request that is not answered yet; two worker processes take jobs.
"""

import contextlib
import multiprocessing
import os
import select
import signal

from . import payload as payloads
from .measure import BATCHES_IN_FLIGHT, SINGLES_IN_FLIGHT, Session

WORKERS = 2
RECEIVE_BYTES = 1 << 18


class Producer:
    """One connection that submits."""

    link = None

    def request(self, payloads):
        """The bytes that submit these."""
        raise NotImplementedError

    def answers(self, data):
        """How many jobs the peer accepted with this data; raises if it refused one."""
        raise NotImplementedError


class Consumer:
    """One connection that takes jobs."""

    link = None

    def start(self):
        """The bytes that ask for the first jobs."""
        raise NotImplementedError

    def take(self, data):
        """The payloads in this data, a function that gives the bytes to answer with once they are handled, and how
        many earlier jobs the peer has acknowledged as done."""
        raise NotImplementedError


class PipelineSession(Session):
    def __init__(self, producer, board):
        self._new_producer = producer
        self._board = board
        self._producers = []
        # By connection and size: made once, sent again and again.
        self._requests = {}

    def submit(self, jobs, batch):
        in_flight = SINGLES_IN_FLIGHT if batch == 1 else BATCHES_IN_FLIGHT
        producers = self._connected(in_flight)
        requests = [self._request(producer, batch) for producer in producers]
        unsent, unanswered = jobs // batch, jobs // batch * batch
        owed = {}
        with contextlib.closing(select.epoll()) as poll:
            for producer, request in zip(producers, requests):
                poll.register(producer.link, select.EPOLLIN)
                owed[producer.link.fileno()] = [producer, request, 0]
            for entry in list(owed.values())[:unsent]:
                entry[0].link.sendall(entry[1])
                entry[2] = batch
                unsent -= 1
            while unanswered:
                for descriptor, _ in poll.poll():
                    entry = owed[descriptor]
                    count = entry[0].answers(received(entry[0].link))
                    unanswered -= count
                    entry[2] -= count
                    if entry[2] == 0 and unsent:
                        entry[0].link.sendall(entry[1])
                        entry[2] = batch
                        unsent -= 1

    def probe(self, text):
        producer = self._connected(1)[0]
        producer.link.sendall(producer.request([text.encode()]))
        while producer.answers(received(producer.link)) == 0:
            pass

    def _request(self, producer, batch):
        key = (producer.link.fileno(), batch)
        if key not in self._requests:
            self._requests[key] = producer.request([payloads.PLAIN.encode()] * batch)
        return self._requests[key]

    def _connected(self, count):
        while len(self._producers) < count:
            self._producers.append(self._new_producer())
        return self._producers[:count]


def received(link):
    data = link.recv(RECEIVE_BYTES)
    if not data:
        raise ConnectionError("the peer closed the connection")
    return data


def consume(new_consumer, board):
    """A worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    consumer = new_consumer()
    counter = board.claim()
    probes = 0
    consumer.link.sendall(consumer.start())
    while True:
        bodies, answer, done = consumer.take(received(consumer.link))
        for body in bodies:
            if handle(board, body):
                probes += 1
        reply = answer()
        if reply:
            consumer.link.sendall(reply)
        # Probes are handled one at a time: they are acknowledged before plain jobs come, and do not count.
        if done:
            skipped = min(done, probes)
            probes -= skipped
            board.add(counter, done - skipped)


def handle(board, body):
    """The handler: nothing, but for a probe."""
    if not payloads.is_probe(body):
        return False
    payloads.note(board, body)
    return True


@contextlib.contextmanager
def session(producer, consumer, board):
    """Worker processes, and a session that submits to them."""
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=consume, args=(consumer, board), daemon=True) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    try:
        yield PipelineSession(producer, board)
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()
