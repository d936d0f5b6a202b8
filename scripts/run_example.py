#!/usr/bin/env python3
"""Runs an example on a coordinator of its own, in a folder that is gone afterwards, and checks what came of it.

run_example.py video            the workflow of Examples/VideoPipeline
run_example.py deletion JOBS    the batch of Examples/AccountDeletion, with so many jobs

The binaries are those of a debug build, or of MARTLET_BUILD (a folder).
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("MARTLET_BUILD", ROOT / ".build/debug"))
START_MAX = 20


def expect(condition, what):
    if not condition:
        sys.exit(f"example: {what}")


class Cluster:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.clients = f"ipc://{folder}/clients"
        self.nodes = f"ipc://{folder}/nodes"
        configuration = {"listen": {"clients": self.clients, "nodes": self.nodes}}
        (self.folder / "cluster.json").write_text(json.dumps(configuration))
        self.log = open(self.folder / "coordinator.log", "w")
        self.coordinator = subprocess.Popen([BUILD / "martlet", "coordinator"], cwd=folder, stderr=self.log)
        end = time.monotonic() + START_MAX
        while self.run("martlet", "queues", check=False).returncode != 0:
            expect(time.monotonic() < end, "no coordinator: " + (self.folder / "coordinator.log").read_text())

    def run(self, program, *arguments, check=True):
        result = subprocess.run(
            [BUILD / program, *arguments], cwd=self.folder, capture_output=True, text=True, check=False)
        if check and result.returncode != 0:
            sys.exit(f"example: {program} {' '.join(arguments)} failed: {result.stderr}")
        return result

    def show(self, *arguments):
        """What a person would see, printed."""
        print(f"$ martlet {' '.join(arguments)}")
        print(self.run("martlet", *arguments).stdout, end="")

    def ask(self, *arguments):
        return json.loads(self.run("martlet", *arguments, "--json").stdout)

    def stop(self):
        self.coordinator.terminate()
        code = self.coordinator.wait()
        self.log.close()
        expect(code == 0, f"the coordinator ended with {code}")


def video(cluster):
    output = cluster.run("video-pipeline", cluster.clients, cluster.nodes).stdout
    print(output, end="")
    workflow = re.search(r"^workflow (\d+):", output).group(1)
    expect("published video 7 with 3 pictures" in output, "the video was not published")
    cluster.show("workflow", "list")
    cluster.show("workflow", "show", workflow)
    steps = {step["name"]: step["job"]["state"] for step in cluster.ask("workflow", "show", workflow)["steps"]}
    expect(steps.pop("apologise") == "cancelled", "there was nothing to apologise for")
    expect(set(steps.values()) == {"succeeded"}, f"some step did not succeed: {steps}")


def deletion(cluster, jobs):
    output = cluster.run("account-deletion", str(jobs), cluster.clients, cluster.nodes).stdout
    print(output, end="")
    batch = re.search(r"^batch (\d+):", output).group(1)
    expect("account 7 is deleted" in output and "cannot be deleted" not in output, "no report, or a false one")
    cluster.show("batch", "list")
    cluster.show("batch", "show", batch)
    counts = cluster.ask("batch", "show", batch)
    expect(counts["succeeded"] == jobs and counts["finishedAt"], f"the batch counts {counts}")


def main():
    with tempfile.TemporaryDirectory(prefix="martlet-example-") as folder:
        cluster = Cluster(folder)
        try:
            if sys.argv[1:2] == ["video"]:
                video(cluster)
            elif sys.argv[1:2] == ["deletion"] and len(sys.argv) == 3:
                deletion(cluster, int(sys.argv[2]))
            else:
                sys.exit(__doc__)
        finally:
            cluster.coordinator.poll() is None and cluster.stop()


if __name__ == "__main__":
    main()
