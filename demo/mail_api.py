#!/usr/bin/env python3
"""A stand-in for a mail provider's HTTP API: slow, sometimes failing, now and then down for seconds.

POST /messages with {"address", "name", ...} and an Idempotency-Key header. GET /stats tells what arrived.
"""

import json
import random
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Mailbox:
    """What was delivered; one mail for each idempotency key, as providers do it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.random = random.Random(7)
        self.delivered = {}
        self.repeats = self.failures = self.refused = self.requests = 0
        self.down_until = 0.0

    def answer(self, key, message):
        with self.lock:
            self.requests += 1
            chance = self.random.random()
            if time.monotonic() < self.down_until:
                self.failures += 1
                return 503, {"error": "maintenance"}
            if "@" not in message.get("address", ""):
                self.refused += 1
                return 422, {"error": "this is no mail address"}
            if chance < 0.08:
                self.failures += 1
                return 500, {"error": "internal"}
            if key in self.delivered:
                self.repeats += 1
            self.delivered[key] = message["address"]
            return 202, {"status": "queued"}

    def stats(self):
        with self.lock:
            return {
                "delivered": len(self.delivered), "addresses": len(set(self.delivered.values())),
                "repeats": self.repeats, "failures": self.failures, "refused": self.refused,
                "requests": self.requests,
            }

    def go_down(self, seconds):
        with self.lock:
            self.down_until = time.monotonic() + seconds


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    mailbox = Mailbox()

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or b"{}")
        if self.path == "/down":
            self.mailbox.go_down(float(body["seconds"]))
            return self.send(200, {})
        time.sleep(random.uniform(0.05, 0.35))
        self.send(*self.mailbox.answer(self.headers.get("Idempotency-Key", ""), body))

    def do_GET(self):
        self.send(200, self.mailbox.stats())

    def send(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


if __name__ == "__main__":
    server = Server(("127.0.0.1", int(sys.argv[1])), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
