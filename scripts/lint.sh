#!/usr/bin/env bash
# Rules of the house that the compiler cannot check.
set -euo pipefail
cd "$(dirname "$0")/.."

status=0
complain() {
    echo "$2"
    echo "lint: $1" >&2
    status=1
}

# Executor, clock and timers are injected, so that simulation drives the very same code.
production=(Sources/MartletCore Sources/MartletWire Sources/MartletTransport Sources/MartletStore
    Sources/MartletStoreSQLite Sources/MartletCoordinator Sources/MartletHTTP Sources/MartletJSON Sources/Martlet Sources/MartletRuntime Sources/MartletSchedule)
found=$(grep -rnE '\bTask \{|Task\.detached|Task\.sleep|ContinuousClock|SuspendingClock' "${production[@]}" \
    --include='*.swift' | grep -vE '^[^:]+:[0-9]+: *///?' || true)
[ -z "$found" ] || complain "production modules start no tasks and read no clock of their own" "$found"

found=$(grep -rn 'import Foundation' Sources/MartletCore --include='*.swift' || true)
[ -z "$found" ] || complain "MartletCore does without Foundation" "$found"

found=$(grep -n 'unsafeFlags' Package.swift || true)
[ -z "$found" ] || complain "a package with unsafe flags cannot be depended on" "$found"

exit $status
