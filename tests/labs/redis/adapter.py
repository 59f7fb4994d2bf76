"""Redis for dissent: adapter.py NAME=HOST:PORT.., the primary first. A row is the hash TABLE:KEY."""
import json, socket, sys, threading
from concurrent.futures import ThreadPoolExecutor

WRITE = """if redis.call('HGET', 'dissent:tables', ARGV[1]) ~= ARGV[2] then return redis.error_reply('ERR no such table') end
if ARGV[3] == 'delete' then return redis.call('DEL', KEYS[1]) end
for i = 6, #ARGV, 3 do redis.call(ARGV[i] == 'ignore' and 'HSETNX' or 'HSET', KEYS[1], ARGV[i + 1], ARGV[i + 2]) end
return redis.call('HSET', KEYS[1], 'op', ARGV[4], 'cmp', ARGV[5])"""
ROWS = """local all = redis.call('KEYS', ARGV[1] .. ':*')
for i, key in ipairs(all) do all[i] = {string.sub(key, #ARGV[1] + 2), redis.call('HGETALL', key)} end
return all"""
DROP = """for _, key in ipairs(redis.call('KEYS', ARGV[1] .. ':*')) do redis.call('DEL', key) end
return redis.call('HDEL', 'dissent:tables', ARGV[1]) + redis.call('HDEL', 'dissent:runs', ARGV[1])"""
ADDRESS = dict(word.split("=", 1) for word in sys.argv[1:])
PRIMARY, WORKERS, MINE, OUTPUT = next(iter(ADDRESS)), 8, threading.local(), threading.Lock()

def receive(file):
    kind, rest = (line := file.readline())[:1], line[1:-2].decode()
    if kind in b"+:": return rest
    if kind == b"-": raise ValueError(rest)
    if kind == b"$": return file.read(int(rest) + 2)[:-2].decode() if rest != "-1" else None
    return [receive(file) for _ in range(int(rest))]

def redis(replica, *words):
    sockets = MINE.__dict__
    try:
        if replica not in sockets:
            sockets[replica] = socket.create_connection(ADDRESS[replica].rsplit(":", 1), timeout=5).makefile("rwb")
        words = [str(word).encode() for word in words]
        sockets[replica].write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(it), it) for it in words))
        sockets[replica].flush()
        return receive(sockets[replica])
    except (OSError, IndexError) as error:
        sockets.pop(replica, None)
        raise ConnectionError(f"{replica}: {error}") from error

def info(replica, part):
    return dict(line.split(":", 1) for line in redis(replica, "INFO", part).splitlines() if ":" in line)

def row(key, flat):
    cells = dict(zip(flat[::2], flat[1::2]))
    op, cmp = int(cells.pop("op", 0)), int(cells.pop("cmp", 0))
    return {"key": key, "op": op, "cmp": cmp, "cols": {name[2:]: json.loads(text) for name, text in cells.items()}}

def answer(do, table=None, op=None, replica=None, run=None, **_):
    columns = json.dumps((table or {}).get("columns"))
    if do == "hello":
        return dict(protocol=1, system="Redis", version=info(PRIMARY, "server")["redis_version"], replicas=list(ADDRESS),
                    retains="newest-row", positions=True, merges=["overwrite", "ignore"], deletes=True, concurrency=WORKERS)
    if do == "make-table":
        if redis(PRIMARY, "HSETNX", "dissent:tables", table["name"], columns) == "0": raise ValueError("it exists")
        redis(PRIMARY, "HSET", "dissent:runs", table["name"], run)
    if do == "leftovers":
        flat = redis(PRIMARY, "HGETALL", "dissent:runs")
        return {"tables": [{"name": name, "run": run} for name, run in zip(flat[::2], flat[1::2])]}
    if do == "remove": redis(PRIMARY, "EVAL", DROP, 0, table["name"])
    if do == "write":
        merges = {column["name"]: column["merge"] for column in table["columns"]}
        cells = [it for name, value in op["cols"].items() for it in (merges[name], "c:" + name, json.dumps(value))]
        kind = "delete" if op["delete"] else "set"
        try: redis(PRIMARY, "EVAL", WRITE, 1, f"{table['name']}:{op['key']}", table["name"], columns, kind, op["id"], op["cmp"], *cells)
        except ValueError as error: return {"outcome": "failed", "why": str(error)}
        return {"outcome": "ok"}
    if do == "upstream": return {"position": int(info(PRIMARY, "replication")["master_repl_offset"])}
    if do == "replica":
        it = info(replica, "replication")
        return {"incarnation": int(info(replica, "server")["run_id"][:15], 16), "status": f"{it['role']} {it.get('master_link_status', 'up')}",
                "position": int(it.get("slave_repl_offset") or it["master_repl_offset"])}
    if do == "rows":
        rows = [row(*pair) for pair in redis(replica, "EVAL_RO", ROWS, 0, table["name"])]
        return [{"rows": rows[at : at + 500]} for at in range(0, len(rows), 500)] + [{"end": True, "count": len(rows)}]
    return {}

def serve(line):
    request = json.loads(line)
    try: said = answer(**{name: it for name, it in request.items() if name != "id"})
    except Exception as error: said = {"error": f"{type(error).__name__}: {error}"}
    text = "".join(json.dumps({"id": request["id"], **it}) + "\n" for it in (said if isinstance(said, list) else [said]))
    with OUTPUT: print(text, end="", flush=True)

with ThreadPoolExecutor(WORKERS) as workers:
    for line in sys.stdin: workers.submit(serve, line)
