#!/usr/bin/env python3
"""Runs the benchmarks one after the other, each with its setting, and shows the ratios within this run."""

import os
import re
import subprocess
import sys
from pathlib import Path

BIN = Path(__file__).resolve().parent.parent / ".build" / "release"


def run(*command):
    result = subprocess.run([str(BIN / command[0]), *command[1:]], capture_output=True, text=True)
    output = result.stdout.strip()
    print(output or result.stderr.strip(), flush=True)
    if result.returncode != 0:
        sys.exit(f"{command[0]} failed with {result.returncode}: {result.stderr.strip()}")
    return output


def rate(output):
    return int(re.search(r"(\d[\d,]*) jobs/s", output).group(1).replace(",", ""))


def main():
    print(f"{os.cpu_count()} cores, {os.uname().release}; 200-byte payloads, submits of 200, synchronous=FULL\n", flush=True)
    run("store-benchmark")
    reference = rate(run("reference-loop"))
    martlet = rate(run("cluster-benchmark", "throughput"))
    run("cluster-benchmark", "latency")
    run("cluster-benchmark", "memory")
    print(f"\nend to end against the reference loop, which has no semantics: {martlet / reference:.2f}")


if __name__ == "__main__":
    main()
