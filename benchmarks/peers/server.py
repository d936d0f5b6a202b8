"""Processes of a peer: started on loopback with a folder of their own, stopped by their process ids."""

import contextlib
import os
import socket
import subprocess
import time

START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connect(port):
    link = socket.create_connection(("127.0.0.1", port))
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def tail(path):
    with contextlib.suppress(OSError), open(path, errors="replace") as file:
        return "".join(file.readlines()[-15:])
    return ""


@contextlib.contextmanager
def process(command, folder, name, environment=None):
    """Runs a command while the context lasts; what it prints goes into a file of the folder."""
    log = os.path.join(folder, name + ".log")
    # Debian puts servers where the PATH of most users does not lead.
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    with open(log, "wb") as output:
        child = subprocess.Popen(
            [str(part) for part in command], cwd=folder, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, env={**os.environ, "PATH": path, **(environment or {})})
    try:
        yield child
        if child.poll() is not None:
            raise RuntimeError(f"{name} ended with {child.returncode}: {tail(log)}")
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


@contextlib.contextmanager
def server(command, folder, name, port, environment=None):
    """A process that is ready once its port accepts."""
    with process(command, folder, name, environment) as child:
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if child.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start: {tail(os.path.join(folder, name + '.log'))}")
            time.sleep(0.05)
        yield child


def debian_version(package):
    """Also says that it is the Debian package that was measured."""
    result = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True)
    return result.stdout.strip() or "not installed"
