"""Redis for dissent: adapter.py NAME=HOST:PORT .., the primary first. No module beside Python's own is needed.

A row is the hash TABLE:KEY with the fields op, cmp and c:COLUMN. Each write is one script, so it is atomic.
"""
import json
import socket
import sys

ADDRESSES = dict(word.split("=", 1) for word in sys.argv[1:])
PRIMARY = next(iter(ADDRESSES))
CONNECTIONS = {}

WRITE = """
if redis.call('HGET', 'dissent:tables', ARGV[1]) ~= ARGV[2] then return redis.error_reply('ERR no such table') end
if ARGV[3] == 'delete' then return redis.call('DEL', KEYS[1]) end
for at = 6, #ARGV, 3 do
    redis.call(ARGV[at] == 'ignore' and 'HSETNX' or 'HSET', KEYS[1], ARGV[at + 1], ARGV[at + 2])
end
return redis.call('HSET', KEYS[1], 'op', ARGV[4], 'cmp', ARGV[5])"""
ROWS = """
local rows = redis.call('KEYS', ARGV[1] .. ':*')
for at, key in ipairs(rows) do rows[at] = {string.sub(key, #ARGV[1] + 2), redis.call('HGETALL', key)} end
return rows"""
DROP = """
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. ':*')) do redis.call('DEL', key) end
return redis.call('HDEL', 'dissent:tables', ARGV[1]) + redis.call('HDEL', 'dissent:runs', ARGV[1])"""


def receive(file):
    """One value of the protocol RESP."""
    line = file.readline()
    kind, rest = line[:1], line[1:-2].decode()
    if kind == b"-":
        raise ValueError(rest)
    if kind == b"$":
        return file.read(int(rest) + 2)[:-2].decode() if rest != "-1" else None
    return [receive(file) for _ in range(int(rest))] if kind == b"*" else rest


def redis(replica, *words):
    """Asks one server."""
    try:
        if replica not in CONNECTIONS:
            server = socket.create_connection(ADDRESSES[replica].rsplit(":", 1), timeout=5)
            CONNECTIONS[replica] = server.makefile("rwb")
        file, words = CONNECTIONS[replica], [str(word).encode() for word in words]
        file.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words))
        file.flush()
        return receive(file)
    except (OSError, IndexError) as error:
        CONNECTIONS.pop(replica, None)
        raise ConnectionError(f"{replica}: {error}") from error


def pairs(flat):
    return dict(zip(flat[::2], flat[1::2]))


def info(replica, part):
    return dict(line.split(":", 1) for line in redis(replica, "INFO", part).splitlines() if ":" in line)


def row(key, flat):
    cells = pairs(flat)
    op, cmp = int(cells.pop("op", 0)), int(cells.pop("cmp", 0))
    return {"key": key, "op": op, "cmp": cmp, "cols": {name[2:]: json.loads(it) for name, it in cells.items()}}


def write(table, op):
    merges = {column["name"]: column["merge"] for column in table["columns"]}
    cells = [word for name, it in op["cols"].items() for word in (merges[name], f"c:{name}", json.dumps(it))]
    about = [table["name"], json.dumps(table["columns"]), "delete" if op["delete"] else "set", op["id"], op["cmp"]]
    try:
        redis(PRIMARY, "EVAL", WRITE, 1, f"{table['name']}:{op['key']}", *about, *cells)
    except ValueError as error:
        return {"outcome": "failed", "why": str(error)}
    return {"outcome": "ok"}


def answer(do, table=None, op=None, replica=None, run=None, **_):
    """The answers to one request, without its id."""
    if do == "hello":
        about = {"system": "Redis", "version": info(PRIMARY, "server")["redis_version"], "replicas": list(ADDRESSES)}
        return [about | {"protocol": 1, "retains": "newest-row", "positions": True, "deletes": True,
                         "merges": ["overwrite", "ignore"], "concurrency": 1}]
    if do == "make-table":
        if redis(PRIMARY, "HSETNX", "dissent:tables", table["name"], json.dumps(table["columns"])) == "0":
            raise ValueError("the table exists")
        redis(PRIMARY, "HSET", "dissent:runs", table["name"], run)
    if do == "leftovers":
        runs = pairs(redis(PRIMARY, "HGETALL", "dissent:runs"))
        return [{"tables": [{"name": name, "run": run} for name, run in runs.items()]}]
    if do == "remove":
        redis(PRIMARY, "EVAL", DROP, 0, table["name"])
    if do == "write":
        return [write(table, op)]
    if do == "upstream":
        return [{"position": int(info(PRIMARY, "replication")["master_repl_offset"])}]
    if do == "replica":
        it = info(replica, "replication")
        position = it.get("slave_repl_offset") or it["master_repl_offset"]
        status = f"{it['role']} {it.get('master_link_status', 'up')}"
        life = int(info(replica, "server")["run_id"][:15], 16)
        leads = it["role"] == "master"
        return [{"incarnation": life, "status": status, "leads": leads, "position": int(position)}]
    if do == "rows":
        rows = [row(*pair) for pair in redis(replica, "EVAL_RO", ROWS, 0, table["name"])]
        parts = [{"rows": rows[at : at + 500]} for at in range(0, len(rows), 500)]
        return parts + [{"end": True, "count": len(rows)}]
    return [{}]


for line in sys.stdin:
    request = json.loads(line)
    number = request.pop("id")
    try:
        answers = answer(**request)
    except Exception as error:
        answers = [{"error": f"{type(error).__name__}: {error}"}]
    for it in answers:
        print(json.dumps({"id": number, **it}), flush=True)
