"""Martlet's wire protocol in Python, written from docs/wire-protocol.md alone. Standard library only.

A message is a dict of its fields, lists included. decode(frame) -> (kind name, dict); encode(kind name, dict) -> frame.
Bytes are bytes, times and durations ints, tokens and sessions pairs of ints, absent optional fields None.
"""
import struct

MAGIC, VERSION = b"MTLT", 1
NUMBERS = {"u8": "<B", "u16": "<H", "u32": "<I", "u64": "<Q", "f64": "<d", "duration": "<q", "time": "<q",
           "token": "<QQ", "session": "<QQ"}

# One "name:type" a field. "bits:a,?b": bit 0 is the boolean a, bit 1 says whether the field b is there.
# "nx:count" is the length of the list x; "if result=2,6" guards the fields behind it, up to the next "if".
# "opt-" before a type: the field is written only if its bit is set; "rest-": it is there if its record is long enough. Behind "extended" are fields of frames that have the
# flag of that name.
TEMPLATE = ("bits:?timeout,?retry,?options priority:u8 timeout:duration max_attempts:u16@retry initial_backoff:duration@retry "
            "max_backoff:duration@retry jitter:f64@retry type:text queue:text options:opt-bytes")
JOB = ("id:u64 bits:?due,?finished_at,?failure,?node,?later state:u8 node_deaths:u8 failures:u16 payload_count:u32 "
       "created_at:time due:time finished_at:time failure_kind:text@failure failure_message:text@failure node:text "
       + TEMPLATE.replace("bits:", "bits2:") + " later:opt-later")
PROGRESS = "id:u64 fraction:f64 message:text"
ATTEMPT = "number:u32 ended_at:time node:text failure_kind:text failure_message:text output:bytes"
SELECTION = ("bits3:?selected_state,?queue,?type,?tag,?created_before,?batch,?workflow,?group selected_state:u8 "
             "created_before:time batch:u64 workflow:u64 queue:text type:text tag:text group:text")
SCHEDULE_RULES = ("name:text recurrence:text zone:text daylight_saving:u8 overlap:u8 missed:u8 missed_max:u32 "
                  "bits:?start,?end late_max:duration jitter:duration start:time end:time anchor:time")
DEFINITION = {"template": TEMPLATE, "payload": "=bytes"}
SCHEDULE = ("name:text recurrence:text zone:text type:text queue:text problem:text origin:u8 bits:paused "
            "bits2:?next,?last_job,?queued handled_through:time next:time last_job:u64 queued:time fired_total:u64 "
            "skipped_total:u64 missed_total:u64")
SCHEDULE_RUN = "instant:time job:u64"
ACTION = "action:u8 bits2:?argument argument:time "
BATCH = ("id:u64 bits:?parent,?finished_at,closed parent:u64 created_at:time finished_at:time total:u64 pending:u64 "
         "succeeded:u64 dead:u64 cancelled:u64 expired:u64 name:text")
WORKFLOW = "id:u64 bits:?finished_at created_at:time finished_at:time total:u32 open:u32 failed:u32 name:text"
SUBMIT = "session:session sequence:u64 templates:count jobs:count"
SUBMITTED = {"templates": TEMPLATE, "jobs": "template:u16 bits:?due due:time payload:bytes"}
# Behind a u32 count; so many bytes each.
SEQUENCES = {"places": "<IB", "edges": "<QB", "events": "<B"}
KINDS = {  # name: (kind, first record, {list: element})
    "authenticate": (1, "nonce:bytes proof:bytes", {}),
    "authenticated": (129, "proof:bytes", {}),
    "error": (255, "code:u16 message:text challenge:bytes if code=18 existing:u64", {}),
    "ping": (16, "", {}),
    "pong": (144, "epoch:u64 wall_time:time uptime:duration bits:recovered node_count:u32 pending_count:u64 "
                  "version:text", {}),
    "open_session": (17, "session:session", {}),
    "session_opened": (145, "payload_max:u32 submits_in_flight_max:u32 extended features:u32", {}),
    "submit": (18, "session:session sequence:u64 templates:count jobs:count",
               {"templates": TEMPLATE, "jobs": "template:u16 bits:?due due:time payload:bytes"}),
    "submitted": (146, "first:u64 count:u32 bits:repeat,?exceptions exceptions:opt-count",
                  {"exceptions": "place:u32 id:u64 bits:replaced"}),
    "list_jobs": (19, "bits:?state,?queue,?type,?after state:u8 after:u64 limit:u32 queue:text type:text", {}),
    "job_list": (147, "bits:?next next:u64 jobs:count", {"jobs": JOB}),
    "show_job": (20, "id:u64", {}),
    "job_detail": (148, "payload:bytes extended attempts:count16 bits:?result result:bytes",
                   {"job": JOB, "attempts": ATTEMPT}),
    "list_queues": (21, "", {}),
    "queue_list": (149, "queues:count", {
        "queues": "ready:u64 running:u64 scheduled:u64 dead:u64 submitted_total:u64 succeeded_total:u64 "
                  "retried_total:u64 cancelled_total:u64 expired_total:u64 deleted_total:u64 node_count:u32 "
                  "queue:text type:text extended bits:?oldest_ready_age oldest_ready_age:duration kept_bytes:u64"}),
    "list_nodes": (22, "", {}),
    "node_list": (150, "nodes:count", {
        "nodes": "incarnation:u64 status:u8 slots:u32 leased:u32 since_heard:duration succeeded_total:u64 "
                 "failed_total:u64 name:text queues:names types:names extended stuck:u32 steal_asks:rest-u64 "
                 "steal_asked:rest-u64 gave_back:rest-u64 took_over:rest-u64"}),
    "change_dead": (23, "bits:?queue,?type action:u8 ids:count queue:text type:text", {"ids": "=u64"}),
    "dead_changed": (151, "count:u64 missing:count", {"missing": "=u64"}),
    "await_job": (48, "id:u64 timeout:duration", {}),
    "job_ended": (176, "id:u64 state:u8 bits:?result,?failure result:bytes failure_kind:text@failure "
                       "failure_message:text@failure", {}),
    "change_jobs": (32, "bits:dry_run,?after after:u64 ids:count " + ACTION + SELECTION, {"ids": "=u64"}),
    "jobs_changed": (160, "bits:finished,?bulk,?next count:u64 bulk:u64 next:u64 missing:count", {"missing": "=u64"}),
    "list_bulk": (33, "bits:?id id:u64", {}),
    "bulk_list": (161, "operations:count", {
        "operations": "id:u64 bits:?finished_at,?cursor,?through started_at:time finished_at:time changed:u64 missed:u64 "
                      "cursor:u64 through:u64 " + ACTION + SELECTION}),
    "set_pause": (34, "target:u8 bits:paused name:text", {}),
    "pause_set": (162, "bits:?since,changed since:time", {}),
    "list_pauses": (35, "", {}),
    "pause_list": (163, "pauses:count", {"pauses": "target:u8 since:time name:text"}),
    "set_service": (36, "action:u8 name:text by:text if action=1 limits:bytes", {}),
    "service_set": (164, "bits:changed what:text", {}),
    "list_services": (37, "changes_max:u32", {}),
    "service_list": (165, "services:count changes:count", {
        "services": "bits:configured,changed,paused,?level,?closing,?opens_in,?changed_at level:u64 rate_share:u16 "
                    "held:u32 waiting:u64 grants:u64 tokens:u64 waits:u64 rejections:u64 closing:u8 opens_in:duration "
                    "changed_at:time name:text changed_by:text limits:bytes",
        "changes": "at:time name:text by:text what:text"}),
    "explain_job": (38, "id:u64", {}),
    "job_explanation": (166, "state:u8 reason:u8 bits:?since,?starts_in since:time starts_in:duration ahead:u64 "
                             "missing:u64 subject:text", {}),
    "explain_queue": (39, "name:text", {}),
    "queue_explanation": (167, "runnable:u64 blocked:u64 running:u64 parts:count", {
        "parts": "reason:u8 bits:?starts_in count:u64 starts_in:duration subject:text"}),
    "put_schedule": (52, SCHEDULE_RULES, DEFINITION),
    "schedule_put": (180, "bits:changed", {"schedule": SCHEDULE}),
    "list_schedules": (53, "limit:u32 after:text", {}),
    "schedule_list": (181, "schedules:count", {"schedules": SCHEDULE}),
    "show_schedule": (54, "next_max:u32 runs_max:u32 name:text", {}),
    "schedule_detail": (182, "next:count runs:count",
                        {"schedule": SCHEDULE, "definition": SCHEDULE_RULES, **DEFINITION, "next": "=time",
                         "runs": SCHEDULE_RUN}),
    "change_schedule": (55, "action:u8 name:text", {}),
    "schedule_changed": (183, "bits:changed passed:u32", {}),
    "run_schedule": (56, "wish:u8 from:time to:time name:text", {}),
    "schedule_ran": (184, "runs:count existing:u32 forgotten:u32 pending:u32", {"runs": SCHEDULE_RUN}),
    "submit_workflow": (49, SUBMIT + " members:count name:text",
                        SUBMITTED | {"members": "name:text parents:places"}),
    "open_batch": (50, SUBMIT + " bits:?parent parent:u64 name:text events:events", SUBMITTED),
    "close_batch": (51, "id:u64", {}),
    "show_batch": (57, "id:u64", {}),
    "batch_detail": (185, BATCH, {}),
    "list_batches": (58, "before:u64 limit:u32", {}),
    "batch_list": (186, "batches:count", {"batches": BATCH}),
    "show_workflow": (59, "id:u64 after:u64 limit:u32", {}),
    "workflow_detail": (187, WORKFLOW + " next:u64 members:count", {"members": "name:text parents:edges", "jobs": JOB}),
    "list_workflows": (60, "before:u64 limit:u32", {}),
    "workflow_list": (188, "workflows:count", {"workflows": WORKFLOW}),
    "register": (64, "incarnation:u64 slots:u32 prefetch_max:u32 bits:holds_name_lock,gives_back last_delivery:u64 number:u64 queues:count "
                     "types:count inventory:count name:text",
                 {"queues": "=text", "types": "=text", "inventory": "id:u64 token:token phase:u8"}),
    "registered": (192, "key:u64 epoch:u64 heartbeat_interval:duration lease_duration:duration verdicts:count "
                   "extended features:u32 time:rest-u64",
                   {"verdicts": "verdict:u8 token:token"}),
    "fetch": (65, "key:u64 last_delivery:u64 credit_total:u64", {}),
    "delivery": (193, "number:u64 epoch:u64 templates:count jobs:count",
                 {"templates": "timeout:duration type:text queue:text extended tags:names metadata:pairs",
                  "jobs": "id:u64 lease_sequence:u64 attempt:u16 template:u16 payload:bytes extended extras:extras"}),
    "report": (66, "key:u64 number:u64 last_delivery:u64 credit_total:u64 bits:draining,last,?stuck,?standing running:count "
                   "items:count extended progress:count stuck:opt-u32 mean_duration:opt-duration@standing "
                   "answered_ask:opt-u64@standing",
               {"running": "=u64", "items": "id:u64 token:token result:u8 if result=2,6 bits:retryable kind:text "
                                            "message:text if result=6 output:bytes if result=4 completion:completion "
                                            "if result=5 checkpoint:bytes "
                                            "if result=7 bits:?service,?retry_after service:text "
                                            "retry_after:duration", "progress": PROGRESS}),
    "report_reply": (194, "number:u64 verdicts:count extended time:u64", {"verdicts": "=u8"}),
    "control": (67, "key:u64 last_order:u64", {}),
    "acquire": (68, "key:u64 number:u64 wants:count",
                {"wants": "service:text bits:?key key:text least:u32 most:u32"}),
    "acquired": (196, "number:u64 held_for:duration valid_for:duration chunks:count",
                 {"chunks": "place:u32 tokens:u32 problem:text"}),
    "order": (195, "number:u64 bits:drain,?ask ended:count extended ask:opt-u64 until:opt-u64@ask wanted:opt-count@ask",
              {"ended": "=token", "wanted": "=token"}),
}
NAMES = {number: name for name, (number, _, _) in KINDS.items()}


class Malformed(Exception):
    pass


def take(record, at, size):
    if at + size > len(record):
        raise Malformed("a field goes beyond the end of its record")
    return record[at:at + size], at + size


def read(kind, record, at):
    if kind in NUMBERS:
        raw, at = take(record, at, struct.calcsize(NUMBERS[kind]))
        value = struct.unpack(NUMBERS[kind], raw)
        return (value[0] if len(value) == 1 else value), at
    if kind in SEQUENCES:
        (count, at), elements = read("u32", record, at), []
        for _ in range(count):
            raw, at = take(record, at, struct.calcsize(SEQUENCES[kind]))
            value = struct.unpack(SEQUENCES[kind], raw)
            elements.append(value[0] if len(value) == 1 else value)
        return elements, at
    if kind == "names":
        (count, at), names = read("u16", record, at), []
        for _ in range(count):
            name, at = read("text", record, at)
            names.append(name)
        return names, at
    if kind in COMPOSITES:
        return COMPOSITES[kind][0](record, at)
    length, at = read("u16" if kind == "text" else "u32", record, at)
    raw, at = take(record, at, length)
    return (raw.decode() if kind == "text" else raw), at


def write(kind, value):
    if kind in NUMBERS:
        if value is None:
            value = (0, 0) if kind in ("token", "session") else 0
        return struct.pack(NUMBERS[kind], *(value if isinstance(value, (tuple, list)) else (value,)))
    if kind in SEQUENCES:
        return struct.pack("<I", len(value)) + b"".join(
            struct.pack(SEQUENCES[kind], *(element if isinstance(element, (tuple, list)) else (element,)))
            for element in value)
    if kind == "names":
        return struct.pack("<H", len(value)) + b"".join(write("text", name) for name in value)
    if kind in COMPOSITES:
        return COMPOSITES[kind][1](value)
    raw = (value or "").encode() if kind == "text" else bytes(value or b"")
    return struct.pack("<H" if kind == "text" else "<I", len(raw)) + raw


def read_pairs(record, at):
    (count, at), pairs = read("u16", record, at), {}
    for _ in range(count):
        name, at = read("text", record, at)
        pairs[name], at = read("text", record, at)
    return pairs, at


def write_pairs(pairs):
    return write("u16", len(pairs)) + b"".join(write("text", name) + write("text", pairs[name]) for name in sorted(pairs))


def read_extras(record, at):
    """What few jobs of a delivery bring with them; None for nothing."""
    bits, at = read("u8", record, at)
    if not bits & 15:
        return None, at
    extras = {"expires_in": None, "checkpoint": None, "parents": []}
    if bits & 1:
        extras["expires_in"], at = read("duration", record, at)
    if bits & 2:
        extras["checkpoint"], at = read("bytes", record, at)
    count, at = read("u16", record, at) if bits & 4 else (0, at)
    for _ in range(count):
        parent = {}
        parent["id"], at = read("u64", record, at)
        parent["state"], at = read("u8", record, at)
        parent["name"], at = read("text", record, at)
        has_result, at = read("u8", record, at)
        parent["result"], at = read("bytes", record, at) if has_result & 1 else (None, at)
        extras["parents"].append(parent)
    if bits & 8:
        extras["start_by"], at = read("u64", record, at)
    return extras, at


def write_extras(extras):
    if extras is None:
        return b"\0"
    expires_in, checkpoint, parents = extras["expires_in"], extras["checkpoint"], extras["parents"]
    start_by = extras.get("start_by")
    out = bytes([(expires_in is not None) | (checkpoint is not None) << 1 | bool(parents) << 2
                 | (start_by is not None) << 3])
    out += b"" if expires_in is None else write("duration", expires_in)
    out += b"" if checkpoint is None else write("bytes", checkpoint)
    if parents:
        out += write("u16", len(parents))
    for parent in parents:
        out += write("u64", parent["id"]) + write("u8", parent["state"]) + write("text", parent["name"])
        out += b"\0" if parent["result"] is None else b"\1" + write("bytes", parent["result"])
    return out + (b"" if start_by is None else write("u64", start_by))


def read_completion(record, at):
    """What a success leaves: its result, and jobs that come into being with it."""
    has_result, at = read("u8", record, at)
    completion = {"result": None, "follow_ups": []}
    if has_result & 1:
        completion["result"], at = read("bytes", record, at)
    count, at = read("u32", record, at)
    for _ in range(count):
        nested, at = read("bytes", record, at)
        completion["follow_ups"].append(read_record(FOLLOW_UP, nested))
    return completion, at


def write_completion(completion):
    result = completion["result"]
    out = b"\0" if result is None else b"\1" + write("bytes", result)
    out += write("u32", len(completion["follow_ups"]))
    return out + b"".join(write("bytes", write_record(FOLLOW_UP, job)) for job in completion["follow_ups"])


def read_later(record, at):
    """Fields of a job as people see it that 0.1.0 does not know."""
    bits, at = read("u8", record, at)
    expires, at = read("time", record, at)
    workflow, at = read("u64", record, at)
    waits, at = read("u32", record, at)
    later = {"expires": expires if bits & 1 else None, "workflow": workflow if bits & 2 else None, "waits": waits,
             "progress": None}
    if bits & 4:
        later["progress"] = {}
        for name, kind in (("id", "u64"), ("fraction", "f64"), ("message", "text")):
            later["progress"][name], at = read(kind, record, at)
    return later, at


def write_later(later):
    progress = later["progress"]
    out = bytes([(later["expires"] is not None) | (later["workflow"] is not None) << 1 | (progress is not None) << 2])
    out += write("time", later["expires"]) + write("u64", later["workflow"]) + write("u32", later["waits"])
    return out + (b"" if progress is None else write_record(PROGRESS, progress))


FOLLOW_UP = "delay:duration payload:bytes " + TEMPLATE
COMPOSITES = {"pairs": (read_pairs, write_pairs), "extras": (read_extras, write_extras),
              "completion": (read_completion, write_completion), "later": (read_later, write_later)}


def steps(schema, fields, extended):
    """The fields of a record in order: (name, type, group), where the presence bit of the group covers the field."""
    words, guarded = iter(schema.split()), False
    for word in words:
        if word == "if":
            name, values = next(words).split("=")
            guarded = str(fields[name]) not in values.split(",")
        elif word == "extended":
            if not extended:
                return
        elif not guarded:
            name, kind = word.split(":")
            kind, _, group = kind.partition("@")
            yield name, kind, group or name


def read_record(schema, record, extended=False):
    if schema.startswith("="):
        return read(schema[1:], record, 0)[0]
    fields, present, at = {}, {}, 0
    for name, kind, group in steps(schema, fields, extended):
        if name.startswith("bits"):
            bits, at = read("u8", record, at)
            for place, bit in enumerate(kind.split(",")):
                (present if bit[0] == "?" else fields)[bit.lstrip("?")] = bool(bits >> place & 1)
            continue
        if kind.startswith("opt-"):
            if not present[group]:
                continue
            kind = kind[4:]
        if kind.startswith("rest-"):
            kind = kind[5:]
            if len(record) - at < struct.calcsize(NUMBERS[kind]):
                continue
        value, at = read({"count": "u32", "count16": "u16"}.get(kind, kind), record, at)
        fields[name] = value if present.get(group, True) else None
    return fields


def write_record(schema, fields, extended=False):
    if schema.startswith("="):
        return write(schema[1:], fields)
    words = list(steps(schema, fields, extended))
    members = {group: name for name, _, group in reversed(words)}
    record = b""
    for name, kind, _ in words:
        if name.startswith("bits"):
            flags = [fields.get(members.get(bit[1:])) is not None if bit[0] == "?" else fields[bit]
                     for bit in kind.split(",")]
            record += bytes([sum(flag << place for place, flag in enumerate(flags))])
            continue
        if kind.startswith("opt-"):
            if fields.get(name) is None:
                continue
            kind = kind[4:]
        if kind.startswith("rest-"):
            if fields.get(name) is None:
                continue
            kind = kind[5:]
        if kind in ("count", "count16"):
            record += write("u32" if kind == "count" else "u16", len(fields[name]))
        else:
            record += write(kind, fields[name])
    return record


def is_extended(schema, fields):
    """Whether a record has a field that stands behind "extended"."""
    names = [word.split(":")[0] for word in schema.partition("extended ")[2].split()]
    return isinstance(fields, dict) and any(name in fields for name in names)


def is_counted(name, schema, lists):
    return f"{name}:" in schema or (name == "jobs" and "members" in lists)


def decode(frame):
    if len(frame) < 12 or frame[:4] != MAGIC:
        raise Malformed("not a Martlet frame")
    version, kind, flags, count = struct.unpack("<BBHI", frame[4:12])
    if version != VERSION or kind not in NAMES:
        raise Malformed(f"version {version}, kind {kind}")
    records, at = [], 12
    for _ in range(count):
        length, at = read("u32", frame, at)
        record, at = take(frame, at, length)
        records.append(record)
    if at != len(frame) or not records:
        raise Malformed("the records do not fill the frame")
    _, schema, lists = KINDS[NAMES[kind]]
    extended = bool(flags & 1)
    message, at = read_record(schema, records[0], extended), 1
    for name, element in lists.items():
        # A list that the first record does not count has one element, or as many as the members.
        is_list = is_counted(name, schema, lists)
        if is_list and name not in message and "members" not in message:
            continue
        length = message[name] if name in message else len(message["members"]) if is_list else 1
        if at + length > len(records):
            raise Malformed("the frame has fewer records than it needs")
        elements = [read_record(element, record, extended) for record in records[at:at + length]]
        message[name], at = (elements if is_list else elements[0]), at + length
    return NAMES[kind], message


def encode(name, message):
    kind, schema, lists = KINDS[name]
    elements = {name: message.get(name, []) if is_counted(name, schema, lists) else [message[name]] for name in lists}
    extended = is_extended(schema, message) or any(
        is_extended(lists[name], element) for name in lists for element in elements[name])
    records = [write_record(schema, message, extended)]
    for list_name, element in lists.items():
        records += [write_record(element, item, extended) for item in elements[list_name]]
    body = b"".join(struct.pack("<I", len(record)) + record for record in records)
    return MAGIC + struct.pack("<BBHI", VERSION, kind, extended, len(records)) + body
