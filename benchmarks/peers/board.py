"""Counts and latencies that worker processes share with the measuring one: a small file mapped into all of them."""

import fcntl
import mmap
import os
import threading

COUNTERS_MAX = 256
SAMPLES_MAX = 4096
_WORDS = 1 + COUNTERS_MAX + SAMPLES_MAX


class Board:
    """One writer a counter, so that counting takes no lock: `claim` gives each thread its own."""

    def __init__(self, path):
        self.path = str(path)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(descriptor, _WORDS * 8)
        self._words = memoryview(mmap.mmap(descriptor, _WORDS * 8)).cast("Q")
        os.close(descriptor)

    def claim(self):
        with open(self.path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            taken = self._words[0]
            if taken == COUNTERS_MAX:
                raise RuntimeError("more workers than counters")
            self._words[0] = taken + 1
        return 1 + taken

    def add(self, counter, count):
        self._words[counter] += count

    def total(self):
        return sum(self._words[1:1 + COUNTERS_MAX])

    def sample(self, index, nanoseconds):
        self._words[1 + COUNTERS_MAX + index] = nanoseconds

    def samples(self, count):
        start = 1 + COUNTERS_MAX
        return list(self._words[start:start + count])

    def has_sample(self, index):
        return self._words[1 + COUNTERS_MAX + index] != 0


class Counter:
    """A counter for each thread that counts."""

    def __init__(self, board):
        self._board = board
        self._local = threading.local()

    def add(self, count):
        counter = getattr(self._local, "counter", None)
        if counter is None:
            counter = self._local.counter = self._board.claim()
        self._board.add(counter, count)
