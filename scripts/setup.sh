#!/usr/bin/env bash
# Installs the Debian packages that Martlet needs, if any is missing. `setup.sh test` adds what the tests need,
# `setup.sh bench` what draws plots, `setup.sh peers` the systems that Martlet is measured beside.
set -euo pipefail

packages=(libnng-dev libsqlite3-dev libsodium-dev libmicrohttpd-dev python3)
if [ "${1:-}" = test ]; then packages+=(python3-venv iproute2 prometheus curl); fi
if [ "${1:-}" = bench ]; then packages+=(python3-matplotlib); fi
servers=(beanstalkd gearman-job-server nats-server rabbitmq-server redis-server)
if [ "${1:-}" = peers ]; then packages+=(python3-venv "${servers[@]}"); fi

missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    if ! command -v apt-get >/dev/null; then
        echo "setup: these Debian packages are missing: ${missing[*]}; install them with your package manager" >&2
        exit 1
    fi
    run=()
    [ "$(id -u)" -eq 0 ] || run=(sudo)
    echo "setup: installing ${missing[*]}"
    "${run[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${run[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    # The benchmark starts servers of its own: those that came with the packages stay off.
    for package in "${missing[@]}"; do
        if [[ " ${servers[*]} " == *" $package "* ]] && command -v systemctl >/dev/null; then
            "${run[@]}" systemctl disable --quiet "$package" 2>/dev/null || true
            "${run[@]}" systemctl stop --quiet "$package" 2>/dev/null || true
        fi
    done
fi

if [ "${1:-}" = test ]; then
    # What schedules are compared with, and what tries the HTTP API. Made again when the list of either changes.
    root=$(cd "$(dirname "$0")/.." && pwd)
    wanted=("$root/Tests/scheduling/requirements.txt" "$root/Tests/http/requirements.txt")
    if ! cmp -s <(cat "${wanted[@]}") "$root/.venv/installed.txt"; then
        echo "setup: installing croniter and schemathesis into .venv"
        rm -rf "$root/.venv"
        python3 -m venv "$root/.venv"
        for list in "${wanted[@]}"; do
            "$root/.venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$list"
        done
        cat "${wanted[@]}" >"$root/.venv/installed.txt"
    fi
fi

if [ "${1:-}" = peers ]; then
    # Peers that are written in Python, and what draws the chart. Made again when the list of it changes.
    root=$(cd "$(dirname "$0")/.." && pwd)
    wanted=$root/benchmarks/peers/requirements.txt
    if ! cmp -s "$wanted" "$root/.build/peers-venv/installed.txt"; then
        echo "setup: installing peers of PyPI into .build/peers-venv"
        rm -rf "$root/.build/peers-venv"
        python3 -m venv "$root/.build/peers-venv"
        "$root/.build/peers-venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"
        cp "$wanted" "$root/.build/peers-venv/installed.txt"
    fi
fi

if ! command -v swift >/dev/null; then
    echo "setup: no Swift toolchain on the PATH; install Swift 6.2 or later from swift.org" >&2
    exit 1
fi
