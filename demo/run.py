#!/usr/bin/env python3
"""The sign-up story: a coordinator and two workers on this machine, a mail API that fails, and kill -9.

Builds nothing; `make demo` does. Exits 0 if every sign-up was delivered or is dead for a good reason.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".build" / "release"
SIGNUPS = ROOT / "demo" / "signups.jsonl"
DEADLINE = 110
TTY = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def paint(code, text):
    return f"\x1b[{code}m{text}\x1b[0m" if TTY else text


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Cluster:
    """The processes of the demo, each stopped by its own process id."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = {}
        self.clients, self.nodes, self.mail = free_ports(3)
        config = json.loads((ROOT / "demo" / "cluster.json").read_text())
        config["listen"] = {
            "clients": f"tcp://127.0.0.1:{self.clients}",
            "nodes": f"tcp://127.0.0.1:{self.nodes}",
        }
        config["store"] = {"path": str(folder / "martlet.db")}
        self.config = folder / "cluster.json"
        self.config.write_text(json.dumps(config, indent=2))

    def start(self, name, *command, **environment):
        log = open(self.folder / f"{name}.log", "ab")
        self.processes[name] = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**os.environ, **environment})

    def start_mail(self):
        self.start("mail-api", sys.executable, ROOT / "demo" / "mail_api.py", self.mail)

    def start_coordinator(self):
        self.start("coordinator", BIN / "martlet", "coordinator", "--config", self.config)

    def start_worker(self, name):
        self.start(
            name, BIN / "signup-worker", MARTLET_NODE=name, MARTLET_NODES_ADDRESS=f"tcp://127.0.0.1:{self.nodes}",
            MAIL_API=f"http://127.0.0.1:{self.mail}", MARTLET_STATE=str(self.folder))

    def kill(self, name):
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()

    def stop(self):
        for name in ("worker-1", "worker-2", "coordinator", "mail-api"):
            if name in self.processes and self.processes[name].poll() is None:
                self.processes[name].terminate()
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

    def martlet(self, *arguments, check=True):
        result = subprocess.run(
            [str(BIN / "martlet"), *arguments, "--config", str(self.config)], capture_output=True, text=True, timeout=60)
        if check and result.returncode != 0:
            raise RuntimeError(result.stderr.strip() or f"martlet {arguments[0]} failed")
        return result.stdout

    def queue(self):
        """The counts of the mail queue, or None while the coordinator is away."""
        result = self.martlet("queues", "--json", check=False)
        rows = [json.loads(line) for line in result.splitlines() if line.strip()]
        return next((row for row in rows if row["type"] == "mail.welcome"), None)

    def mail_api(self, path="/stats", body=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.mail}{path}", data=json.dumps(body).encode() if body is not None else None)
        with urllib.request.urlopen(request, timeout=5) as response:
            return json.load(response)


def wait_until(what, condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if condition():
                return
        except (OSError, RuntimeError):
            pass
        time.sleep(0.05)
    raise RuntimeError(f"{what} did not happen within {seconds} s")


def say(text):
    if TTY:
        sys.stdout.write("\r\x1b[K")
    print(text, flush=True)


def show_progress(done, total, queue):
    if not TTY:
        return
    width = 32
    filled = width * done // total
    bar = paint("32", "█" * filled) + paint("90", "░" * (width - filled))
    sys.stdout.write(
        f"\r\x1b[K  {bar} {done:>5}/{total}  running {queue['running']:>3}  retries {queue['retriedTotal']:>4}"
        f"  dead {queue['dead']}")
    sys.stdout.flush()


def submit(cluster, total):
    start = time.monotonic()
    cluster.martlet("submit", "--from", str(SIGNUPS), "--type", "mail.welcome", "--queue", "mail")
    say(f"  submitted {total} sign-ups in {1000 * (time.monotonic() - start):.0f} ms, every one on disk")


def play(cluster, total):
    """Drives the story: events at shares of the work done. Returns the last counts."""
    story = [
        (0.20, "the mail API goes down for 4 s", lambda: cluster.mail_api("/down", {"seconds": 4})),
        (0.40, "kill -9 worker-2, half of whose jobs are in flight", lambda: cluster.kill("worker-2")),
        (0.45, "worker-2 starts again", lambda: cluster.start_worker("worker-2")),
        (0.65, "kill -9 the coordinator", lambda: cluster.kill("coordinator")),
        (0.65, "the coordinator starts again", cluster.start_coordinator),
    ]
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        queue = cluster.queue()
        if queue is None:
            time.sleep(0.1)
            continue
        done = queue["succeededTotal"] + queue["dead"]
        show_progress(done, total, queue)
        while story and done >= story[0][0] * total:
            _, text, act = story.pop(0)
            say(f"  {paint('33', '!')} {done:>4} done: {text}")
            act()
        if done >= total and not story:
            return queue
        time.sleep(0.15)
    raise RuntimeError(f"not finished within {DEADLINE} s")


def verify(cluster, total, queue):
    stats = cluster.mail_api()
    lost = total - queue["succeededTotal"] - queue["dead"]
    rows = [
        ("submitted", queue["submittedTotal"]), ("delivered", stats["delivered"]),
        ("retried", queue["retriedTotal"]), ("dead", queue["dead"]), ("lost", lost),
    ]
    say("")
    for name, value in rows:
        print(f"  {name:<10} {value:>6}")
    print(f"\n  The mail API answered {stats['requests']} requests, failed {stats['failures']}, and saw"
          f" {stats['repeats']} repeats of a delivery\n  (at least once: it recognises them by the job's idempotency key).")
    wanted_dead = sum("@" not in json.loads(line)["address"] for line in SIGNUPS.open())
    problems = []
    if queue["submittedTotal"] != total:
        problems.append("the store counts another number of submits")
    if lost != 0 or stats["delivered"] != queue["succeededTotal"]:
        problems.append("a sign-up was lost or completed without a delivery")
    if queue["dead"] != wanted_dead:
        problems.append(f"{wanted_dead} sign-ups without a mail address should be dead")
    return problems


def main():
    total = sum(1 for _ in SIGNUPS.open())
    folder = Path(tempfile.mkdtemp(prefix="martlet-demo-"))
    cluster = Cluster(folder)
    begin = time.monotonic()
    ok = False
    try:
        print(paint("1", "Martlet demo") + ": one coordinator, two workers, one unreliable mail API", flush=True)
        cluster.start_mail()
        cluster.start_coordinator()
        wait_until("the coordinator's start", lambda: cluster.martlet("nodes", "--json") is not None)
        cluster.start_worker("worker-1")
        cluster.start_worker("worker-2")
        wait_until("the workers' start", lambda: len(cluster.martlet("nodes", "--json").splitlines()) == 2)
        submit(cluster, total)
        problems = verify(cluster, total, play(cluster, total))
        for problem in problems:
            print(paint("31", f"  FAILED: {problem}"))
        ok = not problems
        if ok:
            print("\n  " + paint("32", f"None was lost. ({time.monotonic() - begin:.0f} s)"))
    except (RuntimeError, KeyboardInterrupt) as error:
        say(paint("31", f"  demo failed: {error or 'interrupted'}; logs are in {folder}"))
    finally:
        cluster.stop()
        if ok:
            shutil.rmtree(folder)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
