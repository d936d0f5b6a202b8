#!/usr/bin/env python3
"""Measures large batches and workflows on the embedded store: time, and the memory of each process.

groups.py [SIZE ...]    sizes of the batches (10000 100000 1000000)

Each measurement has a coordinator with an empty store of its own. All jobs are submitted before a node is there, so
that all of them wait at once. RSS is the highest of a phase, from /proc.
"""
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BIN = Path(__file__).resolve().parent.parent / ".build" / "release"
WORKFLOW_JOBS = 10_000


class Measured:
    """A process whose memory is looked at."""

    def __init__(self, *command, cwd, log):
        self.process = subprocess.Popen(
            [str(BIN / command[0]), *command[1:]], cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            text=True)

    def forget_peak(self):
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def peak(self):
        """Highest resident size since the last look, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        kilobytes = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
        self.forget_peak()
        return kilobytes / 1024

    def wait_for(self, word):
        """The seconds that it says it took."""
        line = self.process.stdout.readline()
        if not line.startswith(word):
            sys.exit(f"groups: not \"{word}\" but \"{line.strip()}\"")
        return float(line.split()[2])

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self):
        self.process.terminate()
        self.process.wait()


def measure(*what):
    with tempfile.TemporaryDirectory(prefix="martlet-groups-", dir=os.environ.get("TMPDIR")) as folder:
        clients, nodes = f"ipc://{folder}/clients", f"ipc://{folder}/nodes"
        Path(folder, "cluster.json").write_text(json.dumps({"listen": {"clients": clients, "nodes": nodes}}))
        with open(Path(folder, "log"), "w") as log:
            coordinator = Measured("martlet", "coordinator", cwd=folder, log=log)
            while not Path(folder, "nodes").exists():
                time.sleep(0.02)
            empty = coordinator.peak()
            client = Measured("group-benchmark", *what, clients, cwd=folder, log=log)
            submitted = client.wait_for("submitted")
            waiting, of_client = coordinator.peak(), client.peak()
            client.go_on()
            reported = ""
            if what[0] == "workflow":
                reported = f"{client.wait_for('reported'):.2f} s"
                client.go_on()
            node = Measured("group-benchmark", "node", nodes, cwd=folder, log=log)
            ended = client.wait_for("ended")
            running, of_node = coordinator.peak(), node.peak()
            client.go_on()
            if client.process.wait() != 0:
                sys.exit("groups: not all jobs succeeded")
            store = sum(path.stat().st_size for path in Path(folder).glob("martlet.db*")) / 1024 / 1024
            node.end()
            coordinator.end()
    count = int(what[-1])
    print(
        f"| {' '.join(what[:-1])} | {count:,} | {submitted:.2f} s ({count / submitted:,.0f}/s) | {reported} "
        f"| {ended:.2f} s ({count / ended:,.0f}/s) | {empty:.0f} | {waiting:.0f} | {running:.0f} | {of_client:.0f} "
        f"| {of_node:.0f} | {store:.0f} |", flush=True)


def main():
    sizes = [int(size) for size in sys.argv[1:]] or [10_000, 100_000, 1_000_000]
    print(f"{os.cpu_count()} cores, {os.uname().release}, load {os.getloadavg()[0]:.1f}; 200-byte payloads, 64 slots\n")
    print("| what | jobs | submit | status of all | run | RSS of the coordinator, MiB: empty | all submitted "
          "| running | client | node | store, MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for size in sizes:
        measure("batch", str(size))
    for shape in ["fan", "chain", "grid"]:
        measure("workflow", shape, str(WORKFLOW_JOBS))


if __name__ == "__main__":
    main()
