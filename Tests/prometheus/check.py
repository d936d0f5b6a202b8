#!/usr/bin/env python3
"""Has a real Prometheus watch a real coordinator, and asks it every query of the dashboards and rules.

Usage: check.py MARTLET. Starts everything itself, on free ports of this machine, and ends it by its process id.
"""
import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"
# What a healthy cluster has none of.
MAY_BE_EMPTY = re.compile(r"> 0|== 0|== 1|requests_refused|> 1|>= |> 900")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def eventually(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if condition():
                return
        except (urllib.error.URLError, ConnectionError, KeyError):
            pass
        time.sleep(0.2)
    sys.exit(f"check: within {seconds} s this did not come true: {what}")


class Cluster:
    """A coordinator that has run jobs of every kind, and a worker."""

    def __init__(self, martlet, folder):
        self.martlet, self.folder, self.processes = martlet, folder, []
        ports = [free_port() for _ in range(4)]
        self.http = f"127.0.0.1:{ports[2]}"
        self.prometheus = f"127.0.0.1:{ports[3]}"
        configuration = {
            "listen": {"clients": f"tcp://127.0.0.1:{ports[0]}", "nodes": f"tcp://127.0.0.1:{ports[1]}"},
            "http": {"listen": f"http://{self.http}"},
            "services": {"stripe": {"rate": 1000}},
            "jobTypes": {
                "fail": {"retry": {"maxAttempts": 2, "initialBackoff": "100ms", "maxBackoff": "200ms"}},
                "charge": {"services": {"stripe": 1}},
            },
            "schedules": {"often": {"every": "1s", "type": "good"}},
        }
        (folder / "cluster.json").write_text(json.dumps(configuration))

    def start(self, name, command):
        log = open(self.folder / f"{name}.log", "w")
        process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def run(self, *arguments):
        subprocess.run([self.martlet, *arguments], cwd=self.folder, check=True, stdout=subprocess.DEVNULL)

    def end(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

    def query(self, expression):
        url = f"http://{self.prometheus}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        try:
            answer = json.loads(get(url))
        except urllib.error.HTTPError as error:
            sys.exit(f"check: Prometheus refuses {expression}: {error.read().decode()}")
        return answer["data"]["result"]


def check_text(cluster):
    text = get(f"http://{cluster.http}/metrics")
    done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
    if done.returncode != 0 or done.stderr.strip() or done.stdout.strip():
        sys.exit(f"check: promtool does not like the metrics:\n{done.stdout}{done.stderr}")
    print(f"check: promtool check metrics is content with {text.count('# TYPE')} metrics")


def check_rules():
    for command in (
        ["check", "rules", "martlet.rules.yml"],
        ["test", "rules", "martlet.rules.test.yml"],
        ["check", "config", "prometheus.yml"],
    ):
        done = subprocess.run(
            ["promtool", *command], cwd=DEPLOY / "prometheus", text=True, capture_output=True)
        if done.returncode != 0:
            sys.exit(f"check: promtool {' '.join(command)}:\n{done.stdout}{done.stderr}")
    print("check: promtool's tests of the rules pass")


def start_prometheus(cluster):
    """With the shipped configuration, but for the address and how often it looks."""
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    text = text.replace("127.0.0.1:7402", cluster.http).replace("15s", "1s")
    (cluster.folder / "prometheus.yml").write_text(text)
    shutil.copy(DEPLOY / "prometheus" / "martlet.rules.yml", cluster.folder)
    cluster.start(
        "prometheus",
        ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data",
         f"--web.listen-address={cluster.prometheus}"])
    eventually("Prometheus sees the coordinator", lambda: value(cluster, 'up{job="martlet"}') == 1)


def value(cluster, expression):
    result = cluster.query(expression)
    return float(result[0]["value"][1]) if result else None


def dashboard_queries():
    for path in sorted((DEPLOY / "grafana").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", []):
                yield f"{path.name}: {panel['title']}", target["expr"]


def rule_queries():
    rules = subprocess.run(
        ["promtool", "check", "rules", str(DEPLOY / "prometheus" / "martlet.rules.yml")], capture_output=True)
    assert rules.returncode == 0
    for block in re.split(r"\n      - (?=alert|record)", (DEPLOY / "prometheus" / "martlet.rules.yml").read_text())[1:]:
        name = block.split("\n")[0]
        found = re.search(r"expr: (?:\|\n((?:          .*\n)+)|(.*))", block)
        yield name, (found.group(1) or found.group(2)).strip()


def check_queries(cluster):
    known = set(re.findall(r"^# TYPE (\S+)", get(f"http://{cluster.http}/metrics"), re.MULTILINE))
    recorded = set(re.findall(r"record: (\S+)", (DEPLOY / "prometheus" / "martlet.rules.yml").read_text()))
    count, empty = 0, []
    for where, expression in [*dashboard_queries(), *rule_queries()]:
        concrete = expression.replace("$instance", ".*").replace("$__rate_interval", "30s")
        for name in re.findall(r"\b(?:martlet|process)_\w+", concrete):
            if re.sub(r"_(bucket|sum|count)$", "", name) not in known and name not in known:
                sys.exit(f"check: {where} asks for {name}, which the coordinator does not have")
        for name in re.findall(r"martlet:[\w:]+", concrete):
            if name not in recorded:
                sys.exit(f"check: {where} asks for {name}, which no rule records")
        if not cluster.query(concrete) and not MAY_BE_EMPTY.search(expression):
            empty.append(f"{where}: {expression}")
        count += 1
    if empty:
        sys.exit("check: these queries find nothing:\n" + "\n".join(empty))
    print(f"check: Prometheus answers all {count} queries of dashboards and rules")


def main():
    martlet = str(pathlib.Path(sys.argv[1]).resolve())
    check_rules()
    with tempfile.TemporaryDirectory(prefix="martlet-prometheus-") as folder:
        cluster = Cluster(martlet, pathlib.Path(folder))
        try:
            cluster.start("coordinator", [martlet, "coordinator"])
            eventually("the coordinator is ready", lambda: get(f"http://{cluster.http}/readyz"))
            for number, (kind, program) in enumerate([("good", "true"), ("fail", "false"), ("charge", "true")]):
                cluster.start(
                    f"worker-{kind}",
                    [martlet, "worker", "--name", f"w{number}", "--type", kind, "--exec", program])
            start_prometheus(cluster)
            for _ in range(3):
                for kind in ("good", "fail", "charge"):
                    cluster.run("submit", kind, "{}")
                time.sleep(1)
            eventually(
                "the jobs have ended, and Prometheus knows",
                lambda: value(cluster, 'sum(martlet_jobs_dead_total)') == 3
                and value(cluster, 'sum(martlet_jobs_succeeded_total{type="charge"})') == 3
                and value(cluster, "sum(rate(martlet_jobs_succeeded_total[30s]))") > 0
                and value(cluster, "sum(rate(martlet_jobs_dead_total[30s]))") is not None
                and cluster.query("martlet:job_wait_seconds:p95_5m"))
            check_text(cluster)
            check_queries(cluster)
        except SystemExit:
            for log in sorted(cluster.folder.glob("*.log")):
                print(f"== {log.name}\n" + "\n".join(log.read_text().splitlines()[-20:]), file=sys.stderr)
            raise
        finally:
            cluster.end()


if __name__ == "__main__":
    main()
