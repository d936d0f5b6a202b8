#!/bin/sh
# Submits jobs over HTTP and looks at them. Run by Tests/http/check.py.
set -eu
api=${MARTLET_HTTP:-http://127.0.0.1:7402}/v1

# One job: 201, its address in Location. The key makes it safe to send again.
curl -sS --fail-with-body "$api/jobs" -H 'Content-Type: application/json' -H 'Idempotency-Key: order-17' \
    -d '{"type": "mail.welcome", "queue": "mail", "payload": {"address": "ada@example.com"}, "delay": "10s"}'

# Many, all of them or none.
curl -sS --fail-with-body "$api/jobs" -H 'Content-Type: application/json' \
    -d '[{"type": "mail.welcome"}, {"type": "report", "priority": 9}]'

# A great many, as they come: 1000 lines are durable before the next are read.
seq 1 5000 | sed 's/.*/{"type": "thumbnail", "payload": {"image": &}}/' \
    | curl -sS --fail-with-body "$api/jobs" -H 'Content-Type: application/x-ndjson' --data-binary @-

# The first dead jobs of a queue, and all of them again.
curl -sS --fail-with-body "$api/jobs?state=dead&queue=mail&limit=10"
curl -sS --fail-with-body "$api/operations" -H 'Content-Type: application/json' \
    -d '{"action": "retry", "selection": {"state": "dead", "queue": "mail"}}'

# What waits for what.
curl -sS --fail-with-body "$api/queues/mail"
