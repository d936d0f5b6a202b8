"""The table and the chart."""

import datetime
import os

from . import measure

COLUMNS = [
    ("peer", lambda row: row.peer),
    ("version", lambda row: row.version),
    ("sync", lambda row: row.sync),
    ("setting", lambda row: row.setting),
    ("submit", lambda row: f"{row.submit}: {row.how}"),
    ("jobs/s", lambda row: f"{row.rate:,}" if row.rate else "failed"),
    ("median ms", lambda row: "" if row.median_ms is None else f"{row.median_ms:.2f}"),
    ("p99 ms", lambda row: "" if row.p99_ms is None else f"{row.p99_ms:.2f}"),
    ("disk sync ms", lambda row: " to ".join(f"{value:.2f}" for value in row.disk_ms)),
    ("promise", lambda row: row.promise),
]
NUMBERS = {"jobs/s", "median ms", "p99 ms"}
# Two ways to submit, told apart by lightness; Martlet by its hue.
OURS, THEIRS, INK, QUIET = ("#0f766e", "#7fc4bb"), ("#4b5a6b", "#b4bfca"), "#1f2933", "#6b7785"


def conditions():
    now = datetime.datetime.now(datetime.timezone.utc)
    return (f"{now:%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, Linux {os.uname().release}, "
            f"load {os.getloadavg()[0]:.1f}; no-op jobs of 200 bytes, two worker processes a peer (Martlet: one, 16 slots); "
            f"single: up to {measure.SINGLES_IN_FLIGHT} submits waiting for their answers (a Python system: 4), "
            f"batch: up to {measure.BATCHES_IN_FLIGHT}; idle latency from the submit call to the handler's start")


def line(row):
    return "  ".join(value(row) for _, value in COLUMNS[:-1]) + (f"  {row.error}" if row.error else "")


def table(rows):
    """Markdown, as it stands in the documentation."""
    cells = [[name for name, _ in COLUMNS]] + [[value(row) for _, value in COLUMNS] for row in rows]
    widths = [max(len(line[place]) for line in cells) for place in range(len(COLUMNS))]
    rule = ["-" * (width - 1) + ":" if name in NUMBERS else "-" * width for (name, _), width in zip(COLUMNS, widths)]
    aligned = [
        [cell.rjust(width) if name in NUMBERS else cell.ljust(width)
         for cell, width, (name, _) in zip(line, widths, COLUMNS)] for line in cells
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in [aligned[0], rule, *aligned[1:]])


def grouped(rows):
    """Rows by peer and setting, those of one sync beside each other, fastest first."""
    groups = {}
    for row in rows:
        if row.rate:
            groups.setdefault((row.peer, row.sync, row.setting), []).append(row)
    order = [measure.EACH_WRITE, measure.EACH_SECOND, measure.NONE]
    return sorted(groups.values(), key=lambda group: (order.index(group[0].sync), -max(row.rate for row in group)))


def chart(rows, path):
    """Throughput and idle latency, both on a logarithmic axis, in panels by what is synced when."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.rcParams.update(
        {"font.family": "DejaVu Sans", "font.size": 9, "text.color": INK, "axes.edgecolor": "#d5dae0"})
    groups = grouped(rows)
    if not groups:
        return
    places, headings, place = [], [], 0.0
    for before, group in zip([None, *groups], groups):
        if before is None or before[0].sync != group[0].sync:
            place += 1.0
            headings.append((place - 0.15, group[0].sync))
            place += 0.75
        places.append(place)
        place += 1.0
    height = 1.5 + 0.36 * place
    figure, (left, right) = pyplot.subplots(
        1, 2, figsize=(12, height), sharey=True, gridspec_kw={"width_ratios": [1.55, 1], "wspace": 0.06})
    for spot, group in zip(places, groups):
        colours = OURS if group[0].peer == "Martlet" else THEIRS
        draw_rates(left, spot, group, colours)
        draw_latency(right, spot, group[0], colours)
    for axes, title in ((left, "Jobs a second, first submit to last acknowledged completion (logarithmic)"),
                        (right, "Idle latency, ms: median, line to p99 (logarithmic)")):
        axes.set_xscale("log")
        axes.set_title(title, loc="left", fontsize=10, color=INK, pad=10)
        axes.tick_params(length=0, colors=QUIET)
        axes.grid(axis="x", color="#e8ebef", linewidth=0.8)
        axes.set_axisbelow(True)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
    rates = [row.rate for group in groups for row in group]
    left.set_xlim(min(rates) / 2, max(rates) * 3)
    left.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    latencies = [value for group in groups for value in (group[0].median_ms, group[0].p99_ms) if value]
    if latencies:
        right.set_xlim(min(latencies) / 2, max(latencies) * 3)
        right.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    left.set_yticks(places, [name(group[0]) for group in groups])
    for label, group in zip(left.get_yticklabels(), groups):
        label.set_color(OURS[0] if group[0].peer == "Martlet" else INK)
        label.set_fontweight("bold" if group[0].peer == "Martlet" else "normal")
    for spot, sync in headings:
        text = {measure.EACH_WRITE: "Synced before it is acknowledged", measure.EACH_SECOND: "Synced each second",
                measure.NONE: "Not synced"}[sync]
        left.text(0, spot, text, transform=left.get_yaxis_transform(), fontweight="bold", va="center", color=QUIET)
    left.set_ylim(place - 0.2, 0.4)
    figure.subplots_adjust(top=1 - 1.0 / height, bottom=0.35 / height)
    handles = [pyplot.Rectangle((0, 0), 1, 1, color=colour) for colour in THEIRS]
    figure.legend(handles, ["submits of 200", "one at a time"], loc="upper right", frameon=False, ncol=2,
                  bbox_to_anchor=(0.905, 1 - 0.08 / height))
    figure.suptitle("Martlet beside others", x=0.125, y=1 - 0.12 / height, ha="left", fontsize=15, fontweight="bold")
    figure.savefig(path, dpi=150, bbox_inches="tight", facecolor="white")


def name(row):
    """The headings say what is synced; only RabbitMQ has two kinds of queue under one."""
    return f"{row.peer}, {row.setting.split(',')[0].split(' (')[0]}" if row.peer == "RabbitMQ" else row.peer


def draw_rates(axes, spot, group, colours):
    for row in group:
        single = row.submit == "single"
        alone = len(group) == 1
        offset = 0 if alone else (0.2 if single else -0.2)
        axes.barh(spot + offset, row.rate, height=0.37, color=colours[1 if single else 0])
        axes.text(row.rate * 1.06, spot + offset, f"{row.rate:,}", va="center", fontsize=8, color=INK)


def draw_latency(axes, spot, row, colours):
    if row.median_ms is None:
        return
    axes.barh(spot, row.median_ms, height=0.5, color=colours[0])
    axes.plot([row.median_ms, row.p99_ms], [spot, spot], color=colours[1], linewidth=2, solid_capstyle="butt")
    axes.plot([row.p99_ms] * 2, [spot - 0.2, spot + 0.2], color=colours[1], linewidth=2)
    axes.text(row.p99_ms * 1.1, spot, f"{row.median_ms:.2f} / {row.p99_ms:.2f}", va="center", fontsize=8, color=INK)
