#!/usr/bin/env python3
"""Has schemathesis try the HTTP API of a real coordinator against the description that it serves.

Usage: check.py MARTLET [EXAMPLES]. Starts the coordinator itself, on free ports, and ends it by its process id.
"""
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# Not asked for: libmicrohttpd answers a head that it cannot read itself, not as the description says.
CHECKS = ",".join([
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "negative_data_rejection", "use_after_free", "unsupported_method",
])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def post(address, path, value):
    request = urllib.request.Request(
        address + path, json.dumps(value).encode(), {"Content-Type": "application/json"}, method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def wait_until_ready(address):
    for _ in range(100):
        try:
            urllib.request.urlopen(address + "/readyz", timeout=5)
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    sys.exit("check: the coordinator does not get ready")


def main():
    martlet = str(pathlib.Path(sys.argv[1]).resolve())
    examples = sys.argv[2] if len(sys.argv) > 2 else "25"
    with tempfile.TemporaryDirectory(prefix="martlet-http-") as folder:
        ports = [free_port() for _ in range(3)]
        address = f"http://127.0.0.1:{ports[2]}"
        pathlib.Path(folder, "cluster.json").write_text(json.dumps({
            "listen": {"clients": f"tcp://127.0.0.1:{ports[0]}", "nodes": f"tcp://127.0.0.1:{ports[1]}"},
            "http": {"listen": address}, "services": {"stripe": {"rate": 5}},
            "schedules": {"often": {"every": "1h", "type": "good"}},
        }))
        log = open(pathlib.Path(folder, "log"), "w")
        coordinator = subprocess.Popen([martlet, "coordinator"], cwd=folder, stdout=log, stderr=log)
        try:
            wait_until_ready(address)
            post(address, "/v1/jobs", [{"type": "a"}, {"type": "b", "queue": "q"}])
            post(address, "/v1/batches", {"name": "batch"})
            post(address, "/v1/workflows", {
                "name": "workflow", "jobs": [{"type": "a", "name": "one"}, {"type": "b", "after": "one"}]})
            example = subprocess.run(
                [str(ROOT / "Examples/HTTP/jobs.sh")], env={**os.environ, "MARTLET_HTTP": address}, text=True,
                capture_output=True)
            if example.returncode != 0 or '"accepted":5000' not in example.stdout:
                sys.exit(f"check: Examples/HTTP/jobs.sh fails:\n{example.stdout}\n{example.stderr}")
            print("check: Examples/HTTP/jobs.sh does what it says")
            done = subprocess.run(
                [str(ROOT / ".venv/bin/schemathesis"), "run", address + "/v1/openapi.json", "--checks", CHECKS,
                 "--max-examples", examples, "--seed", "1", "--workers", "1", "--request-timeout", "20",
                 "--suppress-health-check", "all", "--exclude-path", "/v1/events", "--no-color"],
                cwd=folder, text=True, capture_output=True)
            if done.returncode != 0:
                sys.exit(f"check: schemathesis finds failures:\n{done.stdout[-20000:]}\n{done.stderr[-4000:]}")
            print("check: schemathesis finds no failure:", done.stdout.strip().splitlines()[-1].strip("= "))
            if coordinator.poll() is not None:
                sys.exit("check: the coordinator has ended")
        finally:
            coordinator.terminate()
            if coordinator.wait(20) != 0:
                sys.exit(f"check: the coordinator ended with {coordinator.returncode}")


if __name__ == "__main__":
    main()
