"""A connection to a Martlet coordinator over TCP, written from docs/wire-protocol.md alone. Standard library only."""
import hashlib
import hmac
import itertools
import os
import socket
import struct

from martlet_wire import decode, encode

AUTHENTICATION_REQUIRED = 4


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code


class Connection:
    """Requests may be outstanding together: send() returns a number, receive() waits for that one's reply."""

    def __init__(self, address, token=None, timeout=20):
        host, port = address.removeprefix("tcp://").rsplit(":", 1)
        self.token, self.replies, self.numbers = token, {}, itertools.count(int.from_bytes(os.urandom(3), "big"))
        self.socket = socket.create_connection((host, int(port)), timeout)
        self.socket.sendall(struct.pack(">4sHH", b"\0SP\0", 48, 0))
        if self._exactly(8) != struct.pack(">4sHH", b"\0SP\0", 49, 0):
            raise ConnectionError("the peer does not answer requests")

    def close(self):
        self.socket.close()

    def send(self, kind, /, **fields):
        return self.send_frame(encode(kind, fields))

    def send_frame(self, frame):
        number = 0x8000_0000 | next(self.numbers) & 0x7FFF_FFFF
        self.socket.sendall(struct.pack(">QI", 4 + len(frame), number) + frame)
        return number

    def receive(self, number):
        while number not in self.replies:
            (length,) = struct.unpack(">Q", self._exactly(8))
            message = self._exactly(length)
            self.replies[struct.unpack(">I", message[:4])[0]] = decode(message[4:])
        return self.replies.pop(number)

    def request_frame(self, frame):
        name, message = self.receive(self.send_frame(frame))
        if name == "error" and message["code"] == AUTHENTICATION_REQUIRED and self.token:
            self._authenticate(message["challenge"])
            name, message = self.receive(self.send_frame(frame))
        if name == "error":
            raise Refused(message["code"], message["message"])
        return message

    def request(self, kind, /, **fields):
        return self.request_frame(encode(kind, fields))

    def _authenticate(self, challenge):
        nonce = os.urandom(32)
        proof = self._code(b"martlet-v1 client" + challenge + nonce)
        name, message = self.receive(self.send("authenticate", nonce=nonce, proof=proof))
        if name == "error":
            raise Refused(message["code"], message["message"])
        if not hmac.compare_digest(message["proof"], self._code(b"martlet-v1 coordinator" + nonce + challenge)):
            raise ConnectionError("this is not the coordinator")

    def _code(self, text):
        return hmac.new(self.token, text, hashlib.sha512).digest()[:32]

    def _exactly(self, count):
        received = b""
        while len(received) < count:
            part = self.socket.recv(count - len(received))
            if not part:
                raise ConnectionError("the connection ended")
            received += part
        return received
