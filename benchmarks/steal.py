#!/usr/bin/env python3
"""Work shared out among nodes of unequal speed, one of which joins late: with stealing and without it, beside an ideal.

steal.py [PLOT]    writes the plot there (benchmarks/steal.png)

The ideal cuts the work at will: every node at its full speed from its arrival to the end. Handlers sleep, so that two
cores are enough for many nodes. Prefetch is as shipped, unless it is what is compared.
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
BENCHMARK = ROOT.parent / ".build" / "release" / "steal-benchmark"
ROUNDS = int(os.environ.get("ROUNDS", "3"))
NODES, LATE, AFTER = "4x1,4x1,4x0.75,4x0.75", "8x1", 2
WORK = 270
NAMES = {"bursts": "1 ms and 1 s, in bursts of each", "mixed": "1 ms and 1 s, mixed", "tail": "heavy tail, 1 ms to 1 s"}
SCALE = [1, 2, 4, 8, 16, 32]


def run(workload, stealing=True, **settings):
    command = [str(BENCHMARK), "run", "--workload", workload, "--stealing", "on" if stealing else "off"]
    for name, value in settings.items():
        command += [f"--{name}", str(value)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"steal: {' '.join(command)} failed with {result.returncode}: {result.stdout}{result.stderr}")
    return json.loads(result.stdout.strip().splitlines()[-1])


def compare(workload):
    """The medians of both, from runs in turn."""
    runs = {True: [], False: []}
    for turn in range(ROUNDS):
        for stealing in [True, False] if turn % 2 == 0 else [False, True]:
            runs[stealing].append(run(workload, stealing, nodes=NODES, late=LATE, after=AFTER, work=WORK))
    ideal = runs[True][0]["ideal"]
    on, off = (statistics.median(one["makespan"] for one in runs[stealing]) for stealing in (True, False))
    asked, back = (sum(node[name] for node in runs[True][-1]["nodes"]) for name in ("asked", "gaveBack"))
    print(f"{NAMES[workload]} ({runs[True][0]['jobs']:,} jobs, {runs[True][0]['work']:.0f} s of work, "
          f"{runs[True][0]['work'] / runs[True][0]['longest']:.0f} times the longest)\n"
          f"  ideal {ideal:6.2f} s   stealing {on:6.2f} s ({on / ideal:.2f} of it)   without {off:6.2f} s "
          f"({off / ideal:.2f}); stealing takes {1 - on / off:.0%} less; {asked} jobs were asked for, {back} came back",
          flush=True)
    return ideal, on, off


def short_jobs():
    """Throughput of 1 ms jobs with the prefetch as shipped, beside one that always fetches as much as it may."""
    shipped, full = [], []
    for _ in range(ROUNDS):
        shipped.append(run("short", nodes="8x1,8x1", work=120))
        full.append(run("short", stealing=False, nodes="8x1,8x1", work=120, ahead=3600))
    rates = [statistics.median(one["jobs"] / one["makespan"] for one in runs) for runs in (shipped, full)]
    print(f"1 ms jobs alone, 2 nodes of 8 slots: {rates[0]:,.0f} jobs/s with prefetch and stealing as shipped, "
          f"{rates[1]:,.0f} with full prefetch: {rates[0] / rates[1]:.1%}", flush=True)


def scale():
    rates = []
    for count in SCALE:
        runs = [run("even", nodes=",".join(["4x1"] * count), work=20 * count) for _ in range(ROUNDS)]
        rates.append(statistics.median(one["jobs"] / one["makespan"] for one in runs))
        print(f"10 ms jobs, {count:2} nodes of 4 slots: {rates[-1]:9,.0f} jobs/s, "
              f"{rates[-1] / rates[0] / count:.3f} of linear", flush=True)
    return rates


def plot(path, comparisons, rates):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), width_ratios=[3, 2])
    for place, (name, color) in enumerate([("ideal", "#9aa5b1"), ("stealing", "#2a7f62"), ("without", "#c8553d")]):
        bars = left.bar([row + (place - 1) * 0.27 for row in range(len(comparisons))],
                        [values[place] for values in comparisons.values()], 0.25, label=name, color=color)
        left.bar_label(bars, fmt="%.1f", fontsize=8)
    left.set_xticks(range(len(comparisons)), [NAMES[name] for name in comparisons], fontsize=8)
    left.set_ylabel("seconds until the last job is done")
    left.set_title("4 nodes of unequal speed, a fifth joins late", fontsize=10)
    left.legend(frameon=False, fontsize=8)
    right.plot(SCALE, [rates[0] * count for count in SCALE], "--", color="#9aa5b1", label="linear")
    right.plot(SCALE, rates, "o-", color="#2a7f62", label="measured")
    right.set_xscale("log", base=2)
    right.set_yscale("log", base=2)
    right.set_xticks(SCALE, SCALE)
    right.set_xlabel("nodes of 4 slots, 10 ms jobs")
    right.set_ylabel("jobs a second")
    right.set_title("horizontal scale", fontsize=10)
    right.legend(frameon=False, fontsize=8)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    print(f"plot: {path}")


def main():
    print(f"{os.cpu_count()} cores, {os.uname().release}; medians of {ROUNDS}; nodes {NODES} (slots x speed), {LATE} after "
          f"{AFTER} s; store on disk, synchronous=FULL\n", flush=True)
    comparisons = {workload: compare(workload) for workload in NAMES}
    short_jobs()
    rates = scale()
    plot(sys.argv[1] if len(sys.argv) > 1 else ROOT / "steal.png", comparisons, rates)


if __name__ == "__main__":
    main()
