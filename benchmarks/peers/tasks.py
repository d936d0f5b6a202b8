"""The handler that the Python systems run in their worker processes."""

import os

from . import payload as payloads
from .board import Board, Counter

BOARD_VARIABLE = "PEERS_BOARD"
URL_VARIABLE = "PEERS_URL"

_board = None
_counter = None


def handle(payload):
    """Does nothing, but for what tells that it was done."""
    global _board, _counter
    if _board is None:
        _board = Board(os.environ[BOARD_VARIABLE])
        _counter = Counter(_board)
    if payloads.is_probe(payload):
        payloads.note(_board, payload)
    else:
        _counter.add(1)
