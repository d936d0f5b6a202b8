"""Martlet itself, by its own benchmark: client, coordinator and node as three processes."""

import re
import subprocess
from pathlib import Path

from . import measure
from .measure import BATCH, BATCHES_IN_FLIGHT, SECONDS_MIN, SINGLES_IN_FLIGHT, Durability, Peer

ROOT = Path(__file__).resolve().parent.parent.parent
BENCHMARK = ROOT / ".build" / "release" / "cluster-benchmark"
JOBS_MAX = 4_000_000
PRODUCERS = {1: SINGLES_IN_FLIGHT, BATCH: BATCHES_IN_FLIGHT}


def benchmark(command, pattern, *settings):
    result = subprocess.run([str(BENCHMARK), command, *map(str, settings)], capture_output=True, text=True)
    found = re.search(pattern, result.stdout)
    if result.returncode != 0 or not found:
        raise RuntimeError(f"cluster-benchmark {command} failed: {result.stdout}{result.stderr}")
    return [float(value) for value in found.groups()]


class Martlet(Peer):
    name = "Martlet"
    ways = {1: "client.submit(raw: job)", BATCH: "client.submit(raw: 200 jobs)"}
    durabilities = (
        Durability(measure.EACH_WRITE, "as shipped: SQLite, synchronous=FULL",
                   "at least once, retries, leases; survives kill -9 and power loss"),
    )

    def version(self):
        described = subprocess.run(
            ["git", "-C", str(ROOT), "describe", "--always", "--dirty"], capture_output=True, text=True)
        return described.stdout.strip() or "this tree"

    def measure(self, durability):
        rows = [self._row(durability, way) for way in self.ways]
        for row, way in zip(rows, self.ways):
            try:
                row.jobs, row.seconds = self._throughput(way)
                row.rate = round(row.jobs / row.seconds)
            except RuntimeError as error:
                row.error = str(error)
        try:
            median, p99 = benchmark("latency", r"handler start: median ([\d.]+) ms.*?p99 ([\d.]+) ms",
                                    "--samples", measure.PROBES)
            for row in rows:
                row.median_ms, row.p99_ms = median, p99
        except RuntimeError as error:
            for row in rows:
                row.error = row.error or str(error)
        return rows

    def _throughput(self, way):
        """A warm-up of a tenth is part of the benchmark; it runs again with more jobs if it was too short to count."""
        jobs = 100_000
        while True:
            (seconds,) = benchmark("throughput", r"all done after ([\d.]+) s", "--jobs", jobs, "--batch", way,
                                   "--producers", PRODUCERS[way])
            whole = jobs // (way * PRODUCERS[way]) * way * PRODUCERS[way]
            if seconds >= SECONDS_MIN or jobs >= JOBS_MAX:
                return whole, seconds
            jobs = min(JOBS_MAX, int(jobs * 1.3 * SECONDS_MIN / seconds))


PEERS = [Martlet()]
