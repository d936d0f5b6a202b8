"""Martlet's wire protocol in Python, written from docs/wire-protocol.md alone. Standard library only.

A message is a dict of its fields, lists included. decode(frame) -> (kind name, dict); encode(kind name, dict) -> frame.
Bytes are bytes, times and durations ints, tokens and sessions pairs of ints, absent optional fields None.
"""
import struct

MAGIC, VERSION = b"MTLT", 1
NUMBERS = {"u8": "<B", "u16": "<H", "u32": "<I", "u64": "<Q", "f64": "<d", "duration": "<q", "time": "<q",
           "token": "<QQ", "session": "<QQ"}

# One "name:type" a field. "bits:a,?b": bit 0 is the boolean a, bit 1 says whether the field b is there.
# "nx:count" is the length of the list x; "if result=2" guards the fields behind it.
TEMPLATE = ("bits:?timeout,?retry priority:u8 timeout:duration max_attempts:u16@retry initial_backoff:duration@retry "
            "max_backoff:duration@retry jitter:f64@retry type:text queue:text")
JOB = ("id:u64 bits:?due,?finished_at,?failure,?node state:u8 node_deaths:u8 failures:u16 payload_count:u32 "
       "created_at:time due:time finished_at:time failure_kind:text@failure failure_message:text@failure node:text "
       + TEMPLATE.replace("bits:", "bits2:"))
SELECTION = ("bits3:?selected_state,?queue,?type,?tag,?created_before,?batch,?workflow,?group selected_state:u8 "
             "created_before:time batch:u64 workflow:u64 queue:text type:text tag:text group:text")
ACTION = "action:u8 bits2:?argument argument:time "
KINDS = {  # name: (kind, first record, {list: element})
    "authenticate": (1, "nonce:bytes proof:bytes", {}),
    "authenticated": (129, "proof:bytes", {}),
    "error": (255, "code:u16 message:text challenge:bytes", {}),
    "ping": (16, "", {}),
    "pong": (144, "epoch:u64 wall_time:time uptime:duration bits:recovered node_count:u32 pending_count:u64 "
                  "version:text", {}),
    "open_session": (17, "session:session", {}),
    "session_opened": (145, "payload_max:u32 submits_in_flight_max:u32", {}),
    "submit": (18, "session:session sequence:u64 templates:count jobs:count",
               {"templates": TEMPLATE, "jobs": "template:u16 bits:?due due:time payload:bytes"}),
    "submitted": (146, "first:u64 count:u32 bits:repeat", {}),
    "list_jobs": (19, "bits:?state,?queue,?type,?after state:u8 after:u64 limit:u32 queue:text type:text", {}),
    "job_list": (147, "bits:?next next:u64 jobs:count", {"jobs": JOB}),
    "show_job": (20, "id:u64", {}),
    "job_detail": (148, "payload:bytes", {"job": JOB}),
    "list_queues": (21, "", {}),
    "queue_list": (149, "queues:count", {
        "queues": "ready:u64 running:u64 scheduled:u64 dead:u64 submitted_total:u64 succeeded_total:u64 "
                  "retried_total:u64 cancelled_total:u64 expired_total:u64 deleted_total:u64 node_count:u32 "
                  "queue:text type:text"}),
    "list_nodes": (22, "", {}),
    "node_list": (150, "nodes:count", {
        "nodes": "incarnation:u64 status:u8 slots:u32 leased:u32 since_heard:duration succeeded_total:u64 "
                 "failed_total:u64 name:text queues:names types:names"}),
    "change_dead": (23, "bits:?queue,?type action:u8 ids:count queue:text type:text", {"ids": "=u64"}),
    "dead_changed": (151, "count:u64 missing:count", {"missing": "=u64"}),
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
    "register": (64, "incarnation:u64 slots:u32 prefetch_max:u32 bits:holds_name_lock last_delivery:u64 number:u64 queues:count "
                     "types:count inventory:count name:text",
                 {"queues": "=text", "types": "=text", "inventory": "id:u64 token:token phase:u8"}),
    "registered": (192, "key:u64 epoch:u64 heartbeat_interval:duration lease_duration:duration verdicts:count",
                   {"verdicts": "verdict:u8 token:token"}),
    "fetch": (65, "key:u64 last_delivery:u64 credit_total:u64", {}),
    "delivery": (193, "number:u64 epoch:u64 templates:count jobs:count",
                 {"templates": "timeout:duration type:text queue:text",
                  "jobs": "id:u64 lease_sequence:u64 attempt:u16 template:u16 payload:bytes"}),
    "report": (66, "key:u64 number:u64 last_delivery:u64 credit_total:u64 bits:draining,last running:count items:count",
               {"running": "=u64", "items": "id:u64 token:token result:u8 if result=2 bits:retryable kind:text "
                                            "message:text"}),
    "report_reply": (194, "number:u64 verdicts:count", {"verdicts": "=u8"}),
    "control": (67, "key:u64 last_order:u64", {}),
    "order": (195, "number:u64 bits:drain ended:count", {"ended": "=token"}),
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
    if kind == "names":
        (count, at), names = read("u16", record, at), []
        for _ in range(count):
            name, at = read("text", record, at)
            names.append(name)
        return names, at
    length, at = read("u16" if kind == "text" else "u32", record, at)
    raw, at = take(record, at, length)
    return (raw.decode() if kind == "text" else raw), at


def write(kind, value):
    if kind in NUMBERS:
        if value is None:
            value = (0, 0) if kind in ("token", "session") else 0
        return struct.pack(NUMBERS[kind], *(value if isinstance(value, (tuple, list)) else (value,)))
    if kind == "names":
        return struct.pack("<H", len(value)) + b"".join(write("text", name) for name in value)
    raw = (value or "").encode() if kind == "text" else bytes(value or b"")
    return struct.pack("<H" if kind == "text" else "<I", len(raw)) + raw


def steps(schema, fields):
    """The fields of a record in order: (name, type, group), where the presence bit of the group covers the field."""
    words = iter(schema.split())
    for word in words:
        if word == "if":
            name, value = next(words).split("=")
            if fields[name] != int(value):
                return
            continue
        name, kind = word.split(":")
        kind, _, group = kind.partition("@")
        yield name, kind, group or name


def read_record(schema, record):
    if schema.startswith("="):
        return read(schema[1:], record, 0)[0]
    fields, present, at = {}, {}, 0
    for name, kind, group in steps(schema, fields):
        if name.startswith("bits"):
            bits, at = read("u8", record, at)
            for place, bit in enumerate(kind.split(",")):
                (present if bit[0] == "?" else fields)[bit.lstrip("?")] = bool(bits >> place & 1)
            continue
        value, at = read("u32" if kind == "count" else kind, record, at)
        fields[name] = value if present.get(group, True) else None
    return fields


def write_record(schema, fields):
    if schema.startswith("="):
        return write(schema[1:], fields)
    words = list(steps(schema, fields))
    members = {group: name for name, _, group in reversed(words)}
    record = b""
    for name, kind, _ in words:
        if name.startswith("bits"):
            flags = [fields[members[bit[1:]]] is not None if bit[0] == "?" else fields[bit] for bit in kind.split(",")]
            record += bytes([sum(flag << place for place, flag in enumerate(flags))])
        elif kind == "count":
            record += write("u32", len(fields[name]))
        else:
            record += write(kind, fields[name])
    return record


def decode(frame):
    if len(frame) < 12 or frame[:4] != MAGIC:
        raise Malformed("not a Martlet frame")
    version, kind, _, count = struct.unpack("<BBHI", frame[4:12])
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
    message, at = read_record(schema, records[0]), 1
    for name, element in lists.items():
        length = message.get(name, 1)
        if at + length > len(records):
            raise Malformed("the frame has fewer records than it needs")
        elements = [read_record(element, record) for record in records[at:at + length]]
        message[name], at = (elements if name in schema else elements[0]), at + length
    return NAMES[kind], message


def encode(name, message):
    kind, schema, lists = KINDS[name]
    records = [write_record(schema, message)]
    for list_name, element in lists.items():
        elements = message[list_name] if f"{list_name}:count" in schema else [message[list_name]]
        records += [write_record(element, item) for item in elements]
    body = b"".join(struct.pack("<I", len(record)) + record for record in records)
    return MAGIC + struct.pack("<BBHI", VERSION, kind, 0, len(records)) + body
