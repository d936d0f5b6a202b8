"""The payload of every job: 200 bytes of ASCII. A probe's begins with the time of its submit and its number."""

import time

BYTES = 200
PLAIN = "*" * BYTES


def probe(index):
    return f"{time.monotonic_ns():020d}{index:08d}".ljust(BYTES, "*")


def is_probe(payload):
    return payload[0] not in ("*", 42)


def note(board, payload):
    """The handler of a probe: notes how long ago it was submitted."""
    board.sample(int(payload[20:28]), time.monotonic_ns() - int(payload[:20]))
