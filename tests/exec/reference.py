"""A store in memory behind the protocol of an adapter: three replicas that lag, all merge functions. Told
how, it betrays in one of the ways in which adapters go wrong: reference.py [BETRAYAL]."""
import json, os, random, sys, threading, time

BETRAYAL = sys.argv[1] if len(sys.argv) > 1 else "none"
LAGS = {"m1": 0.0, "m2": 0.02, "m3": 0.06}
MERGES = {
    "overwrite": lambda old, new: new,
    "ignore": lambda old, new: old,
    "increment": lambda old, new: (old + new + 2**63) % 2**64 - 2**63,
    "append": lambda old, new: old + new,
    "union": lambda old, new: sorted(set(old + new)),
    "max": max,
    "min": min,
}
tables, log, lock = {}, [], threading.RLock()
copies = {replica: {} for replica in LAGS}
applied = dict.fromkeys(LAGS, 0)
asked = writes = 0


def apply(rows, table, op):
    """Merges an op into the rows of a table."""
    if op["delete"]:
        return rows.pop(op["key"], None)
    row = rows.setdefault(op["key"], {"key": op["key"], "cols": {}})
    row["op"], row["cmp"] = op["id"], op["cmp"]
    for name, value in op["cols"].items():
        old = row["cols"].get(name)
        row["cols"][name] = value if old is None else MERGES[table["columns"][name]](old, value)


def advance(replica):
    """What has come to a replica by now. Nothing comes to one that is cut off, by a file in the folder."""
    while not os.path.exists("cut-" + replica) and applied[replica] < len(log) and log[applied[replica]][0] <= time.monotonic() - LAGS[replica]:
        _, name, op = log[applied[replica]]
        applied[replica] += 1
        if name in tables:
            apply(copies[replica].setdefault(name, {}), tables[name], op)


def write(table, op):
    global writes
    writes += 1
    known = tables.get(table["name"], {}).get("columns", {})
    if table["name"] not in tables or not op["cols"].keys() <= known.keys():
        return {"outcome": "failed", "why": "no such table or column"}
    if not (BETRAYAL == "acknowledgement" and writes % 7 == 0):
        log.append((time.monotonic(), table["name"], op))
    return {"outcome": "ok"}


def rows(table, replica):
    advance(replica)
    found = list(copies[replica].get(table["name"], {}).values())
    count = len(found)
    if BETRAYAL in ("count", "last-row") and found:
        found, count = found[:-1], count - (BETRAYAL == "last-row")
    lines = [{"rows": found[at : at + 50]} for at in range(0, len(found), 50)]
    return lines + [{"end": True, "count": count, "rows": []}]


def answer(request):
    """The lines of the answer."""
    do = request["do"]
    table = request.get("table", {})
    if do == "hello":
        return {"protocol": 1, "system": "reference", "version": "1", "replicas": list(LAGS), "deletes": True,
                "retains": "newest-row", "positions": True, "lacks": [], "concurrency": 4, "more": None}
    if do == "make-table":
        merges = {column["name"]: column["merge"] for column in table["columns"]}
        if tables.setdefault(table["name"], made := {"run": request["run"], "columns": merges}) is not made:
            return {"error": "it is there already"}
        return {}
    if do == "leftovers":
        return {"tables": [{"name": name, "run": made["run"]} for name, made in tables.items()]}
    if do == "remove":
        tables.pop(table["name"], None)
        return {}
    if do == "write":
        return write(table, request["op"])
    if do == "upstream":
        return {"position": len(log)}
    if do == "replica":
        advance(request["replica"])
        position = len(log) if BETRAYAL == "position" else applied[request["replica"]]
        leads = request["replica"] == "m2"
        return {"incarnation": 2**63 + 1, "status": "in memory", "leads": leads, "position": position}
    return rows(table, request["replica"])


def floats(value):
    """What a reader with doubles makes of numbers."""
    if isinstance(value, dict):
        return {name: it if name in ("id", "count", "protocol") else floats(it) for name, it in value.items()}
    if isinstance(value, list):
        return [floats(it) for it in value]
    return float(value) if type(value) is int and abs(value) > 2**53 else value


def serve(line):
    global asked
    request = json.loads(line)
    time.sleep(random.random() / 500)
    with lock:
        asked += 1
        if BETRAYAL == "dead" and asked > 40:
            print("out of cheese", file=sys.stderr, flush=True)
            os._exit(3)
        if BETRAYAL == "slow" and request["do"] == "write" and writes >= 2:
            return
        lines = answer(request)
        for one in lines if isinstance(lines, list) else [lines]:
            one = {"id": request["id"], **one}
            print(json.dumps(floats(one) if BETRAYAL == "floats" else one), flush=True)
        if asked % 20 == 0:
            noise = {"noise": "INFO pool resized", "stray": json.dumps({"id": 10**6 + asked})}
            print(noise.get(BETRAYAL, ""), end="\n" if BETRAYAL in noise else "", flush=True)


for each in sys.stdin:
    threading.Thread(target=serve, args=(each,), daemon=True).start()
