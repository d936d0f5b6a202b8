#!/usr/bin/env python3
"""Martlet beside other systems on this machine, in one run: `make bench-peers`.

Each peer is started on loopback with a folder of its own on the disk of Martlet's store, fed with no-op jobs of 200
bytes in its best documented way, and stopped. Figures go to a table, a JSON file and a chart.

`--only NAME,NAME` measures some and keeps the others' figures of the JSON file; `--report` shows what it holds.
"""

import argparse
import dataclasses
import datetime
import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path

from peers import measure, report

FOLDER = Path(__file__).resolve().parent.parent / ".build" / "peers"
MODULES = ["martlet", "beanstalkd", "gearman", "nats", "rabbitmq", "redis_streams", "rq_queue", "celery_queue",
           "dramatiq_queue", "huey_queue"]


def peers():
    for module in MODULES:
        yield from importlib.import_module("peers." + module).PEERS


def stamp():
    """When and how busy: a figure from a machine that did other work says so."""
    return f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC, load {os.getloadavg()[0]:.1f}"


def measured(chosen):
    for peer in peers():
        if chosen and peer.name not in chosen:
            continue
        for durability in peer.durabilities:
            before, sync, start = stamp(), measure.sync_milliseconds(), time.monotonic()
            measurements = peer.measure(durability)
            syncs = (sync, measure.sync_milliseconds())
            for row in measurements:
                row.measured, row.disk_ms = before, syncs
                print(report.line(row), flush=True)
                yield dataclasses.asdict(row)
            print(f"  {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="NAME,NAME")
    parser.add_argument("--report", action="store_true")
    arguments = parser.parse_args()
    chosen = [name for name in arguments.only.split(",") if name]
    unknown = set(chosen) - {peer.name for peer in peers()}
    if unknown:
        sys.exit(f"no such peer: {', '.join(sorted(unknown))}; there are {', '.join(peer.name for peer in peers())}")
    # What was started is stopped on this signal, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / "results.json"
    rows = json.loads(file.read_text())["rows"] if (chosen or arguments.report) and file.exists() else []
    if not arguments.report:
        print(report.conditions(), flush=True)
        fresh = list(measured(chosen))
        names = {row["peer"] for row in fresh}
        order = [peer.name for peer in peers()]
        rows = sorted([row for row in rows if row["peer"] not in names] + fresh,
                      key=lambda row: order.index(row["peer"]))
        file.write_text(json.dumps({"conditions": report.conditions(), "rows": rows}, indent=2) + "\n")
    rows = [measure.Row(**row) for row in rows]
    print("\n" + report.table(rows))
    print("\nmeasured " + "; ".join(sorted({row.measured for row in rows})))
    report.chart(rows, FOLDER / "results.png")
    print(f"\n{file}\n{FOLDER / 'results.png'}")
    if any(row.error for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
