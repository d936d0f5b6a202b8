"""Draws what run.py has found."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as pyplot  # noqa: E402

INK = "#1f2933"
FAINT = "#d9dee4"
OURS = "#2563a8"
BARE = "#9aa5b1"


def style(axes, title):
    axes.set_title(title, loc="left", fontsize=11, color=INK, pad=10)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=9, length=0)


def bars(axes, title, rows, unit):
    """Rows of (name, value, color), the first on top."""
    style(axes, title)
    names, values, colors = zip(*reversed(rows))
    axes.barh(names, values, color=colors, height=0.62)
    axes.set_xlim(0, max(values) * 1.25)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    for place, value in enumerate(values):
        shown = f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
        axes.text(value + max(values) * 0.015, place, f"{shown} {unit}", va="center", fontsize=9, color=INK)


def line(axes, title, runs, setting):
    style(axes, title)
    across = [run["settings"][setting] for run in runs]
    rates = [run["jobsPerSecond"] / 1000 for run in runs]
    axes.plot(across, rates, color=OURS, marker="o", linewidth=2)
    axes.set_xscale("log")
    axes.set_ylim(0, max(rates) * 1.25)
    axes.set_ylabel("1,000 jobs/s", fontsize=9, color=INK)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)


def plot(found, path):
    growth = found.get("growth")
    rows = 3 if growth else 1
    figure, grid = pyplot.subplots(rows, 2, figsize=(12, 3.6 * rows), squeeze=False)
    throughput = found["throughput"]
    ceilings = found["ceilings"]
    rates = [
        ("store alone", max(ceilings["store"].values()), BARE),
        ("bare loop, no semantics", ceilings["reference"], BARE),
        ("raw, submits of 200", throughput["raw"]["jobsPerSecond"], OURS),
        ("typed, submits of 200", throughput["typed"]["jobsPerSecond"], OURS),
        ("one a submit, 64 tasks", throughput["single"]["jobsPerSecond"], OURS),
    ] + [(f"with a service, {run['settings']['slots']:,} slots", run["jobsPerSecond"], OURS) for run in throughput["services"]]
    bars(grid[0][0], "Throughput, durable", rates, "jobs/s")
    idle, half = found["latency"]["idle"], found["latency"]["half"]
    times = [
        ("one sync of the disk", idle["syncMilliseconds"], BARE),
        ("one nng round trip", idle["roundTripMilliseconds"], BARE),
        ("idle, median", idle["medianMilliseconds"], OURS),
        ("idle, p99", idle["p99Milliseconds"], OURS),
        ("half load, median", half["medianMilliseconds"], OURS),
        ("half load, p99", half["p99Milliseconds"], OURS),
    ]
    bars(grid[0][1], "Submit call to handler start", times, "ms")
    if growth:
        line(grid[1][0], "Connected nodes", growth["nodes"], "nodes")
        line(grid[1][1], "Jobs queued beside", growth["queued"], "queued")
        line(grid[2][0], "Queues", growth["queues"], "queues")
        line(grid[2][1], "Fairness groups", growth["groups"], "groups")
    figure.suptitle(
        f"{found['cores']} cores, 200-byte payloads, synchronous=FULL, {found['at']}", x=0.02, ha="left", fontsize=9, color=INK)
    figure.tight_layout(rect=(0, 0, 1, 0.97))
    figure.savefig(path, dpi=130)
