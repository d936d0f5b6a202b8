#!/usr/bin/env python3
"""Runs the benchmarks one after the other, each with its setting, shows the ratios within this run, and leaves what was
found in benchmarks/results/: latest.json and, where matplotlib is there, latest.png.

    benchmarks/run.py [quick|full]

`quick` takes about three minutes; `full` adds many nodes, queues, groups and queued jobs, and takes about fifteen, and
about 5 GB of disk.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".build" / "release"
RESULTS = ROOT / "benchmarks" / "results"
NODES = [1, 10, 100, 1000]
QUEUES = [1, 100, 10_000]
QUEUED = [1_000, 100_000, 1_000_000, 10_000_000]
GROUPS = [1, 1_000, 100_000]
SLOTS = [16, 256, 1024]


def run(*command):
    """Runs one, shows what it prints for people, and returns that and its JSON object, if it has one."""
    command = [str(word) for word in command]
    result = subprocess.run([str(BIN / command[0]), *command[1:]], capture_output=True, text=True)
    lines = result.stdout.strip().splitlines()
    found = json.loads(lines.pop()) if lines and lines[-1].startswith("{") else {}
    print("\n".join(lines) or result.stderr.strip(), flush=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)} failed with {result.returncode}: {result.stderr.strip()}")
    return "\n".join(lines), found


def cluster(command, **settings):
    words = [word for name, value in settings.items() for word in (f"--{name}", value)]
    found = run("cluster-benchmark", command, *words, "--json", "yes")[1]
    return {"command": command, "settings": settings, **found}


def title(text):
    print(f"\n{text}", flush=True)


def ceilings():
    title("What there is to reach: the store alone, the wire codec alone, a bare loop without semantics")
    store, _ = run("store-benchmark", 3)
    run("wire-benchmark")
    reference, _ = run("reference-loop")
    groups = {int(size): int(rate) for size, rate in re.findall(r"groups of (\d+): (\d+) jobs/s", store)}
    return {"store": groups, "reference": int(re.search(r"(\d[\d,]*) jobs/s", reference).group(1).replace(",", ""))}


def throughput():
    title("Throughput, durable, submit to accepted completion")
    return {
        "raw": cluster("throughput"),
        "typed": cluster("throughput", style="typed", jobs=500_000),
        "single": cluster("throughput", style="single", producers=64, jobs=300_000),
        "services": [cluster("throughput", style="services", slots=slots, jobs=300_000) for slots in SLOTS],
        "counted": cluster("throughput", jobs=400_000, allocations="yes"),
    }


def latency(rate):
    title("Latency, submit call to handler start, durable")
    return {"idle": cluster("latency"), "half": cluster("latency", load=rate // 2, samples=500)}


def growth():
    title("Growth: connected nodes, queues, fairness groups, queued jobs")
    found = {
        "nodes": [cluster("throughput", nodes=nodes, slots=max(1, 16 // nodes), jobs=400_000) for nodes in NODES],
        "queues": [cluster("throughput", queues=queues, jobs=400_000) for queues in QUEUES],
        "groups": [cluster("throughput", groups=groups, jobs=400_000) for groups in GROUPS],
        "queued": [cluster("throughput", queued=queued, jobs=400_000) for queued in QUEUED],
    }
    title("A restart with many jobs queued")
    found["restart"] = [cluster("restart", queued=queued) for queued in QUEUED[-2:]]
    return found


def summary(found):
    raw = found["throughput"]["raw"]["jobsPerSecond"]
    ceilings = found["ceilings"]
    best = max(ceilings["store"].values())
    title("Within this run")
    print(f"raw end to end against the reference loop: {raw / ceilings['reference']:.2f}")
    print(f"raw end to end against the store alone, its best group size: {raw / best:.2f}")
    idle = found["latency"]["idle"]
    floor = idle["syncMilliseconds"] + idle["roundTripMilliseconds"]
    print(f"idle latency: {idle['medianMilliseconds']:.3f} ms, of which a sync and a round trip {floor:.3f} ms")


def save(found):
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "latest.json").write_text(json.dumps(found, indent=2) + "\n")
    print(f"\nresults: {RESULTS.relative_to(ROOT)}/latest.json")
    try:
        from plot import plot
    except ImportError:
        print("no plot: python3-matplotlib is not installed")
        return
    plot(found, RESULTS / "latest.png")
    print(f"plot: {RESULTS.relative_to(ROOT)}/latest.png")


def main():
    mode = sys.argv[1] if len(sys.argv) > 1 else "quick"
    if mode not in ("quick", "full"):
        sys.exit("run.py: quick or full")
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, {os.uname().release}, load {load:.1f}; 200-byte payloads, synchronous=FULL", flush=True)
    found = {"at": time.strftime("%Y-%m-%d %H:%M"), "cores": os.cpu_count(), "load": load}
    found["ceilings"] = ceilings()
    found["throughput"] = throughput()
    found["latency"] = latency(found["throughput"]["raw"]["jobsPerSecond"])
    if mode == "full":
        found["growth"] = growth()
    summary(found)
    save(found)


if __name__ == "__main__":
    main()
