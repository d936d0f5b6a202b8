.PHONY: help setup build release test metrics-check http-check examples example-video example-deletion lint format demo simulate mutants bench bench-growth bench-blocked bench-groups bench-steal bench-peers clean

SEEDS ?= 2000
JOBS ?= 1000

help: ## Shows this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Installs the Debian packages that are missing.
	@scripts/setup.sh

build: setup ## Builds everything for debugging.
	swift build

release: setup ## Builds everything, optimised.
	swift build -c release

test: ## Installs what the tests need and runs them.
	@scripts/setup.sh test
	swift build --build-tests
	swift test --skip-build
	@$(MAKE) --no-print-directory metrics-check http-check

metrics-check: ## Has a real Prometheus scrape a coordinator and answer every query of dashboards and rules.
	@scripts/setup.sh test
	swift build --product martlet
	python3 Tests/prometheus/check.py .build/debug/martlet

http-check: ## Has schemathesis try the HTTP API against the description that it serves.
	@scripts/setup.sh test
	swift build --product martlet
	python3 Tests/http/check.py .build/debug/martlet

examples: setup ## Builds the example packages and runs their tests.
	swift test --package-path Examples/TestingExample --scratch-path .build/examples

example-video: setup ## Runs a workflow, the video pipeline, on a coordinator of its own.
	swift build --product martlet
	swift build --product video-pipeline
	python3 scripts/run_example.py video

example-deletion: setup ## Runs a batch, the deletion of an account with JOBS files.
	swift build --product martlet
	swift build --product account-deletion
	python3 scripts/run_example.py deletion $(JOBS)

lint: ## Checks the format.
	swift format lint --strict --recursive Sources Tests Examples benchmarks Package.swift
	@scripts/lint.sh
	@scripts/check_docs.py
	@python3 scripts/mutants.py --check

format: ## Formats the code.
	swift format --in-place --recursive Sources Tests Examples benchmarks Package.swift

demo: setup ## Plays the sign-up story: a cluster on this machine, with failures and kills.
	swift build -c release --product martlet
	swift build -c release --product signup-worker
	python3 demo/run.py

simulate: setup ## Runs SEEDS seeds of the simulation.
	swift build -c release --product martlet-simulate
	.build/release/martlet-simulate --seeds $(SEEDS)

mutants: setup ## Plants bugs one at a time; the simulation must find each within 2,000 seeds.
	python3 scripts/mutants.py

bench: ## Measures throughput, latency and what a job costs, beside what the store, nng and a bare loop reach.
	@scripts/setup.sh bench
	swift build -c release
	/usr/bin/python3 benchmarks/run.py quick

bench-growth: ## The same, and with many nodes, queues, groups and queued jobs: fifteen minutes, 5 GB of disk.
	@scripts/setup.sh bench
	swift build -c release
	/usr/bin/python3 benchmarks/run.py full

bench-blocked: setup ## Measures what jobs that wait for a service cost the others, in ten pairs of runs.
	swift build -c release --product cluster-benchmark
	python3 benchmarks/blocked.py

bench-groups: setup ## Measures a batch of a million jobs and workflows of 10,000: time and memory.
	swift build -c release --product martlet
	swift build -c release --product group-benchmark
	python3 benchmarks/groups.py

bench-steal: ## Measures how work is shared out among nodes of unequal speed, with stealing and without it.
	@scripts/setup.sh bench
	swift build -c release --product steal-benchmark
	/usr/bin/python3 benchmarks/steal.py

bench-peers: ## Measures Martlet beside other systems, with fsync and without: a table, a JSON file and a chart.
	@scripts/setup.sh peers
	swift build -c release --product cluster-benchmark
	.build/peers-venv/bin/python benchmarks/peers.py

clean: ## Removes what was built.
	rm -rf .build
