"""Checks martlet_wire.py against every golden vector, both ways, and that it skips what it does not know."""
import json
import pathlib
import struct
import sys

from martlet_wire import Malformed, decode, encode


def plain(value):
    """A message as JSON has it: bytes as hex, pairs as lists."""
    if isinstance(value, dict):
        return {name: plain(field) for name, field in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(element) for element in value]
    return value.hex() if isinstance(value, bytes) else value


def revived(value, like):
    """JSON back as a message; `like` is the decoded message, which knows what is bytes."""
    if isinstance(value, dict):
        return {name: revived(field, like[name]) for name, field in value.items()}
    if isinstance(value, list):
        return [revived(element, other) for element, other in zip(value, like)]
    return bytes.fromhex(value) if isinstance(like, bytes) else value


def grown(frame):
    """The same frame with unknown fields at the end of each record, and a record more."""
    out, at = b"", 12
    while at < len(frame):
        (length,) = struct.unpack_from("<I", frame, at)
        out += struct.pack("<I", length + 3) + frame[at + 4:at + 4 + length] + b"\xff\xff\xff"
        at += 4 + length
    (count,) = struct.unpack_from("<I", frame, 8)
    return frame[:8] + struct.pack("<I", count + 1) + out + struct.pack("<I", 1) + b"\xff"


def check(vector):
    frame = bytes.fromhex(vector["hex"])
    name, message = decode(frame)
    assert frame[5] == vector["kind"], "the kind differs"
    assert plain(message) == vector["fields"], f"decoded {plain(message)}"
    assert encode(name, revived(vector["fields"], message)) == frame, "encoded otherwise"
    assert decode(grown(frame)) == (name, message), "unknown fields are not skipped"
    for length in range(len(frame)):
        try:
            decode(frame[:length])
        except Malformed:
            continue
        raise AssertionError(f"cut to {length} bytes it is still a frame")


def main():
    vectors = json.loads((pathlib.Path(__file__).parent / "golden-vectors.json").read_text())
    for vector in vectors:
        try:
            check(vector)
        except AssertionError as error:
            sys.exit(f"{vector['name']}: {error}")
    print(f"{len(vectors)} vectors agree")


if __name__ == "__main__":
    main()
