"""What is measured of every peer, the same way for all."""

import contextlib
import dataclasses
import os
import shutil
import statistics
import sys
import tempfile
import time

from . import payload
from .board import Board

SECONDS_MIN = 3.0
JOBS_MAX = 4_000_000
WAIT_SECONDS_MAX = 120
# Submits of 200 jobs from 8 at a time, or of one job from 64 at a time, each waiting for its answer.
BATCH = 200
BATCHES_IN_FLIGHT = 8
SINGLES_IN_FLIGHT = 64
PROBES = 250
PROBES_WARM_UP = 50
PROBE_PAUSE = 0.012
PROBE_SECONDS_MAX = 12

EACH_WRITE, EACH_SECOND, NONE = "each write", "each second", "none"


@dataclasses.dataclass(frozen=True)
class Durability:
    """When the peer syncs what it was told, and the setting that says so."""

    sync: str
    setting: str
    promise: str


@dataclasses.dataclass
class Row:
    peer: str
    version: str
    sync: str
    setting: str
    promise: str
    median_ms: float | None = None
    p99_ms: float | None = None
    submit: str = ""
    how: str = ""
    jobs: int = 0
    seconds: float = 0
    rate: int = 0
    # What a sync of the disk took before and after, in ms: on shared machines it changes, and the figures with it.
    disk_ms: tuple = ()
    # When, and how busy the machine was.
    measured: str = ""
    error: str = ""


class Peer:
    """A system to measure. A subclass names itself and opens sessions."""

    name = ""
    durabilities = ()
    # How the peer submits one at a time and in batches, in words; a way it does not offer is missing.
    ways = {1: "", BATCH: ""}

    def version(self):
        raise NotImplementedError

    def open(self, folder, board, durability):
        """A context manager: starts servers and workers, gives a session."""
        raise NotImplementedError

    def measure(self, durability):
        """Rows, one for each way to submit."""
        rows = [self._row(durability, way) for way in self.ways]
        try:
            with working_folder() as folder:
                board = Board(os.path.join(folder, "board"))
                with self.open(folder, board, durability) as session:
                    median, p99 = latency(session, board)
                    for row, way in zip(rows, self.ways):
                        row.median_ms, row.p99_ms = median, p99
                        row.jobs, row.seconds = throughput(session, board, way)
                        row.rate = round(row.jobs / row.seconds)
        except Exception as error:  # One peer that fails must not hide the others' figures.
            for row in rows:
                row.error = row.error or ("" if row.rate else f"{type(error).__name__}: {error}")
        return rows

    def _row(self, durability, way):
        return Row(
            peer=self.name, version=self.version(), sync=durability.sync, setting=durability.setting,
            promise=durability.promise, submit="single" if way == 1 else f"batch {way}", how=self.ways[way])


class Session:
    """A running peer with its workers."""

    def submit(self, jobs, batch):
        """Submits plain jobs; returns when all are accepted."""
        raise NotImplementedError

    def probe(self, text):
        """Submits one job with this payload; returns when it is accepted."""
        raise NotImplementedError

    def settled(self):
        """Whether the peer holds no job that has run and is not acknowledged yet."""
        return True


@contextlib.contextmanager
def working_folder():
    """On the disk of Martlet's store, which uses the same folder for temporary files."""
    folder = tempfile.mkdtemp(prefix="martlet-peers-")
    try:
        os.chmod(folder, 0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sync_milliseconds():
    """What one sync of 8 KiB costs on the disk of all these, in a file that has its space: the median of 200."""
    with working_folder() as folder:
        descriptor = os.open(os.path.join(folder, "probe"), os.O_RDWR | os.O_CREAT)
        block, samples = b"*" * 8192, []
        for number in range(400):
            start = time.monotonic()
            os.pwrite(descriptor, block, number % 200 * len(block))
            os.fdatasync(descriptor)
            samples.append((time.monotonic() - start) * 1000)
        os.close(descriptor)
    return statistics.median(samples[200:])


def run(session, board, jobs, batch):
    """Seconds from the first submit to the last acknowledged completion."""
    goal = board.total() + jobs
    start = time.monotonic()
    session.submit(jobs, batch)
    while board.total() < goal or not session.settled():
        if time.monotonic() - start > WAIT_SECONDS_MAX:
            raise TimeoutError(f"{goal - board.total()} of {jobs} jobs not done after {WAIT_SECONDS_MAX} s")
        time.sleep(0.005)
    seconds = time.monotonic() - start
    if board.total() != goal:
        print(f"  {board.total() - goal} jobs ran more than once", file=sys.stderr)
    return seconds


def throughput(session, board, batch):
    """Runs more and more jobs, which warms up, until a run is long enough to count."""
    jobs = BATCH * BATCHES_IN_FLIGHT if batch > 1 else SINGLES_IN_FLIGHT * 4
    while True:
        seconds = run(session, board, jobs, batch)
        if seconds >= SECONDS_MIN or jobs >= JOBS_MAX:
            return jobs, seconds
        factor = 8 if seconds < 0.4 else 1.25 * SECONDS_MIN / seconds
        jobs = min(JOBS_MAX, -(-int(jobs * factor) // batch) * batch)


def latency(session, board):
    """Median and 99th percentile in ms, from the submit call to the start of the handler, one job at a time."""
    sent = 0
    start = time.monotonic()
    while sent < PROBES_WARM_UP + PROBES and time.monotonic() - start < PROBE_SECONDS_MAX:
        session.probe(payload.probe(sent))
        time.sleep(PROBE_PAUSE)
        while not board.has_sample(sent):
            time.sleep(0.002)
            if time.monotonic() - start > WAIT_SECONDS_MAX:
                raise TimeoutError("a probe was not handled")
        sent += 1
    samples = sorted(sample / 1e6 for sample in board.samples(sent)[min(PROBES_WARM_UP, sent // 5):])
    return statistics.median(samples), samples[min(len(samples) - 1, int(len(samples) * 0.99))]
