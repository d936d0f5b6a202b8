"""Systems written in Python: their own clients and workers, with `tasks.handle` as the handler.

The measuring process submits, with a few threads, so that one's waiting for Redis is another's time to work; the
workers are processes of the system's own command.
"""

import contextlib
import os
import queue
import sys
import threading
from pathlib import Path

from . import payload as payloads
from . import tasks
from .measure import Session
from .server import process

SUBMITTERS = 4
FOLDER = Path(__file__).resolve().parent.parent


class FrameworkSession(Session):
    """Submits by `submit_batch`, which takes a list of payloads; `held` counts what the system has not finished."""

    def __init__(self, submit_batch, held):
        self._submit_batch = submit_batch
        self._held = held

    def submit(self, jobs, batch):
        waiting = queue.SimpleQueue()
        for _ in range(jobs // batch):
            waiting.put(batch)
        failures = []
        threads = [threading.Thread(target=self._work, args=(waiting, failures)) for _ in range(SUBMITTERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    def _work(self, waiting, failures):
        try:
            while True:
                self._submit_batch([payloads.PLAIN] * waiting.get_nowait())
        except queue.Empty:
            pass
        except Exception as error:  # A thread's error would be lost otherwise.
            failures.append(error)

    def probe(self, text):
        self._submit_batch([text])

    def settled(self):
        return self._held() == 0


def environment(board, url):
    """For the worker processes; also set here, where the same modules are read to submit."""
    values = {tasks.BOARD_VARIABLE: board.path, tasks.URL_VARIABLE: url, "PYTHONPATH": str(FOLDER)}
    os.environ.update(values)
    return values


def script(name):
    """A command of the virtual environment that runs this."""
    return Path(sys.executable).parent / name


@contextlib.contextmanager
def workers(commands, folder, values):
    with contextlib.ExitStack() as stack:
        for number, command in enumerate(commands):
            stack.enter_context(process(command, folder, f"worker-{number}", values))
        yield
