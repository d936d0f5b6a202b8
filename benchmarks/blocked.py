#!/usr/bin/env python3
"""What 100,000 jobs that wait for a service of one call a second cost the others: pairs of runs in turn, without and with
them, and the medians of the ratios."""

import re
import statistics
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).resolve().parent.parent / ".build" / "release" / "cluster-benchmark"
PAIRS = 10
BLOCKED = 100_000


def measure(command, pattern, *settings):
    result = subprocess.run([str(BENCHMARK), command, *settings], capture_output=True, text=True)
    found = re.search(pattern, result.stdout)
    if result.returncode != 0 or not found:
        sys.exit(f"{command} failed with {result.returncode}: {result.stdout}{result.stderr}")
    return float(found.group(1))


def compare(name, command, pattern, *settings):
    ratios = []
    for pair in range(PAIRS):
        # Who is first changes from pair to pair.
        order = [0, BLOCKED] if pair % 2 == 0 else [BLOCKED, 0]
        figures = {blocked: measure(command, pattern, "--blocked", str(blocked), *settings) for blocked in order}
        ratios.append(figures[BLOCKED] / figures[0])
        print(f"{name}: {figures[0]:,.3f} alone, {figures[BLOCKED]:,.3f} beside {BLOCKED:,} blocked jobs, "
              f"ratio {ratios[-1]:.3f}", flush=True)
    print(f"{name}: median of {PAIRS} ratios {statistics.median(ratios):.3f}\n", flush=True)


def main():
    compare("jobs/s", "throughput", r"end to end: (\d+) jobs/s", "--jobs", "400000")
    compare("idle latency, ms", "latency", r"handler start: median ([\d.]+) ms", "--samples", "300")


if __name__ == "__main__":
    main()
