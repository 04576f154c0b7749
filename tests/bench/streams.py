"""The streaming part: how much later a first event comes through the gateway,
and what a stream that is silent costs in memory."""

import contextlib
import json
import statistics
import subprocess
import time

import measure
from servers import Gateway, Trouble, ask, call as call_whole, wait

DELAY_MS = 10  # DELAY of stub_backend.rs
CONCURRENCIES = (1, 16)
# Calls of each connection in a turn; all together take about half a second
# where nothing but the delay takes long.
CALLS = {1: 100, 16: 50}
UNCOUNTED = 5  # WARM_UP of stream_load.rs
PATHS = [
    ("stub", "stub"),
    ("nginx", "nginx → stub"),
    ("gateway", "gateway → stub"),
    ("front", "nginx → gateway → stub"),
]
STREAMS = 1000
# Streams that come and go before memory is looked at: what the first one
# brings with it is not the price of the next.
WARM_UP = 8
# Plain calls before that: by then the database's caches are as large as they
# get, which the events of so many streams would otherwise fill.
WARM_CALLS = 2000
# The gateway's first keep-alive comments, which need memory too, come 15 s
# after a stream has begun.
SETTLE = 20
KINDS = {
    "calls": "answers to `tools/call`, modern",
    "sessions": "`GET` streams of legacy sessions",
}
MOST_KIB = 32
MOST_ADDED_US = 1000
# Of the memory that is resident with all streams.
MOST_DRIFT = 0.01

META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"}}


def raw(method, path, headers, body=b""):
    """A request, byte for byte."""
    fields = {"Host": "127.0.0.1", **headers}
    if method == "POST":
        fields["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def call(path, token, tool):
    """A modern `tools/call`."""
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
               "params": {"name": tool, "arguments": {}, "_meta": META}}
    return raw("POST", path, {
        "Authorization": f"Bearer {token}", "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call", "Mcp-Name": tool,
    }, json.dumps(message, separators=(",", ":")).encode())


def listen(port, path, token):
    """A `GET` for the stream of a new legacy session."""
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "bench", "version": "1"}}}
    status, headers, answer = ask_whole(port, path, token, json.dumps(message))
    session = headers.get("mcp-session-id")
    if status != 200 or not session:
        raise Trouble(f"no session: {status} {answer[:500]!r}")
    return raw("GET", path, {
        "Authorization": f"Bearer {token}", "Accept": "text/event-stream",
        "MCP-Protocol-Version": "2025-11-25", "Mcp-Session-Id": session})


def ask_whole(port, path, token, body):
    return ask(port, "POST", path, body, {
        "Authorization": f"Bearer {token}", "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream"}, with_headers=True)


def fed(requests):
    """Requests as stream_load reads them."""
    return b"".join(b"%d\n%b" % (len(one), one) for one in requests) + b"0\n"


def turn(house, port, request, connections):
    """First events of one path for about half a second."""
    made = subprocess.run(
        [house.example("stream_load"), "first", f"127.0.0.1:{port}", str(connections),
         str(CALLS[connections]), str(DELAY_MS)],
        input=fed([request]), capture_output=True, check=False)
    if made.returncode:
        raise Trouble(f"stream_load: {made.stderr.decode(errors='replace')}")
    return json.loads(made.stdout)


def first_events(house, rounds, say):
    """Paths take turns, as in the other part. Gives for each path and
    concurrency the times, and how many answers the gateway gave."""
    stub, stub_port = house.stub()
    known, token = house.issuer("ES256")
    _, nginx_port = house.plain_nginx(stub_port)
    gateway = Gateway(house, "first-events", stub_port, known)
    gateway.start()
    _, front_port = house.shipped_nginx(gateway.port)
    direct, scoped = (call(path, token, "stream_events")
                      for path in ("/mcp", "/calculator/mcp"))
    targets = {"stub": (stub_port, direct), "nginx": (nginx_port, direct),
               "gateway": (gateway.port, scoped), "front": (front_port, scoped)}
    measure.settle([server.pid for server in house.servers])
    turns = {}
    for connections in CONCURRENCIES:
        for _ in range(rounds):
            for name, _ in PATHS:
                seen = turn(house, *targets[name], connections)
                if seen["errors"] and not seen["first_us"]:
                    raise Trouble(f"{name}: no stream at all: {seen['said']}")
                turns.setdefault((name, connections), []).append(seen)
    results = {}
    for (name, connections), list_ in turns.items():
        times = sorted(us for seen in list_ for us in seen["first_us"])
        results[name, connections] = {
            "path": name, "connections": connections, "calls": len(times),
            "p50_us": statistics.median(times),
            "p99_us": times[min(len(times) - 1, len(times) * 99 // 100)],
            "turns_p50_us": [statistics.median(seen["first_us"]) for seen in list_],
            "held_back": sum(seen["held_back"] for seen in list_),
            "errors": sum(seen["errors"] for seen in list_),
        }
        one = results[name, connections]
        say(f"{connections:4} connections  first event p50 {one['p50_us'] / 1000:.2f} ms  "
            f"p99 {one['p99_us'] / 1000:.2f} ms  {dict(PATHS)[name]}")
    # Those that came before the counting ones are in the trail as well.
    warm = UNCOUNTED * sum(connections * rounds * 2 for connections in CONCURRENCIES)
    made = sum(one["calls"] for one in results.values() if one["path"] in ("gateway", "front"))
    return results, (gateway, made + warm, made + warm + sum(
        one["errors"] for one in results.values()))


class Held:
    """Streams that are held open."""

    def __init__(self, house, port, requests):
        self.process = subprocess.Popen(
            [house.example("stream_load"), "hold", f"127.0.0.1:{port}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.process.stdin.write(fed(requests))
        self.process.stdin.flush()
        if self.process.stdout.readline().strip() != b"open":
            said = self.process.stderr.read().decode(errors="replace")
            raise Trouble(f"the streams do not open: {said}")

    def close(self):
        """How many had lasted."""
        self.process.stdin.close()
        lasted = int(self.process.stdout.readline())
        self.process.stdout.close()
        self.process.stderr.close()
        self.process.wait()
        return lasted

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def watch(pid, seconds, every=1.0):
    """Resident memory in KiB over so many seconds: pairs of time and size."""
    begin = time.monotonic()
    seen = []
    while True:
        passed = time.monotonic() - begin
        seen.append((passed, measure.resident(pid)))
        if passed >= seconds:
            return seen
        time.sleep(min(every, seconds - passed))


def slope(seen):
    """KiB a minute, by least squares."""
    times, sizes = zip(*seen)
    middle, mean = statistics.fmean(times), statistics.fmean(sizes)
    spread = sum((t - middle) ** 2 for t in times)
    return 60 * sum((t - middle) * (s - mean) for t, s in seen) / spread if spread else 0.0


def memory(house, kind, drift, say, body):
    """Memory of a new gateway: before, with all streams open, and after."""
    _, stub_port = house.stub()
    known, token = house.issuer("ES256")
    gateway = Gateway(house, f"streams-{kind}", stub_port, known)
    gateway.start()
    pid = gateway.server.pid

    def requests(count):
        if kind == "calls":
            return [call("/calculator/mcp", token, "stream_silence")] * count
        return [listen(gateway.port, "/news/mcp", token) for _ in range(count)]

    def all_closed():
        return ask(stub_port, "GET", "/open")[1] == b"0"

    with contextlib.ExitStack() as stack:
        for _ in range(WARM_CALLS):
            call_whole(gateway.port, "/calculator/mcp", token, body)
        warm = Held(house, gateway.port, requests(WARM_UP))
        stack.callback(warm.kill)
        warm.close()
        wait("the backend to lose its listeners", all_closed)
        # Sessions are opened beforehand: theirs is not the stream's memory.
        wanted = requests(STREAMS)
        measure.settle([pid])
        before = measure.resident(pid)
        held = Held(house, gateway.port, wanted)
        stack.callback(held.kill)
        opened = int(ask(stub_port, "GET", "/open")[1])
        resting = watch(pid, SETTLE)
        drifting = watch(pid, drift) if drift else []
        lasted = held.close()
        wait("the backend to lose its listeners", all_closed)
        measure.settle([pid])
        after = measure.resident(pid)
        # Freed memory may stay with the process; what counts is that the next
        # thousand streams find it.
        held = Held(house, gateway.port, wanted)
        stack.callback(held.kill)
        again = max(size for _, size in watch(pid, SETTLE))
        held.close()
        wait("the backend to lose its listeners", all_closed)
    samples = resting + [(SETTLE + t, size) for t, size in drifting]
    with_streams = max(size for _, size in samples)
    result = {
        "kind": kind, "streams": STREAMS, "opened": opened, "lasted": lasted,
        "before_kib": before, "with_kib": with_streams, "after_kib": after,
        "again_kib": again,
        "per_stream_kib": (with_streams - before) / STREAMS,
        "drift_seconds": drift, "slope_kib_a_minute": slope(drifting) if drifting else None,
        "grown_kib": drifting[-1][1] - drifting[0][1] if drifting else None,
        "samples": samples,
    }
    said = f", {result['slope_kib_a_minute']:+.1f} KiB a minute for {drift} s" if drifting else ""
    say(f"{STREAMS} streams ({KINDS[kind]}): {result['per_stream_kib']:.1f} KiB each{said}")
    return result, gateway


def check_requests(gateway, made):
    """Every request outside of calls must be on record, once."""
    def recorded():
        rows = gateway.query("SELECT count(*) FROM audit_events WHERE kind = 'request'")
        return int(rows[0][0])
    with contextlib.suppress(Trouble):
        wait("the trail", lambda: recorded() >= made)
    rows = recorded()
    return {"calls_answered": made, "rows": rows,
            "problem": "" if rows == made else f"{made - rows} rows lost"}


def run(house, rounds, drift, say, check_audit, body):
    """The whole part: what was measured, and how its audit trails look."""
    results, (gateway, made, most) = first_events(house, rounds, say)
    audit = {gateway.name: check_audit(gateway, made, most)}
    memories = []
    opens = WARM_UP + 2 * STREAMS
    for kind in KINDS:
        one, gateway = memory(house, kind, drift if kind == "calls" else 0, say, body)
        memories.append(one)
        if kind == "calls":
            # Each stream is cut off by its client.
            audit[gateway.name] = check_audit(gateway, WARM_CALLS, WARM_CALLS + opens)
        else:
            sessions = WARM_UP + STREAMS
            audit[gateway.name] = check_requests(gateway, sessions + opens)
        gateway.stop()
    return {"first_events": list(results.values()), "memory": memories}, audit


def tables(measured):
    found = {(one["path"], one["connections"]): one for one in measured["first_events"]}
    lines = ["### Streams: time to the first event", "",
             "| path | connections | calls | p50 ms | p99 ms | p50 more than nginx, ms | "
             "held back | errors |", "|---|--:|--:|--:|--:|--:|--:|--:|"]
    for connections in CONCURRENCIES:
        base = found["nginx", connections]
        for name, title in PATHS:
            one = found[name, connections]
            more = (one["p50_us"] - base["p50_us"]) / 1000
            lines.append("| " + " | ".join([
                title, str(connections), f"{one['calls']:,}", f"{one['p50_us'] / 1000:.2f}",
                f"{one['p99_us'] / 1000:.2f}", f"{more:+.2f}", str(one["held_back"]),
                str(one["errors"])]) + " |")
    lines += ["", f"### Streams: memory of the gateway with {STREAMS:,} silent ones", "",
              "| streams | before MB | with them MB | KiB each | afterwards MB | opened again MB | "
              "watched | KiB a minute |", "|---|--:|--:|--:|--:|--:|--:|--:|"]
    for one in measured["memory"]:
        drift = one["slope_kib_a_minute"]
        lines.append("| " + " | ".join([
            KINDS[one["kind"]], f"{one['before_kib'] / 1024:.1f}",
            f"{one['with_kib'] / 1024:.1f}", f"{one['per_stream_kib']:.1f}",
            f"{one['after_kib'] / 1024:.1f}", f"{one['again_kib'] / 1024:.1f}",
            f"{one['drift_seconds']} s" if drift is not None else "",
            f"{drift:+.1f}" if drift is not None else ""]) + " |")
    return "\n".join(lines)


def bars(measured):
    """As in report.bars."""
    found = {(one["path"], one["connections"]): one for one in measured["first_events"]}

    def bar(text, value, limit, unit=""):
        return {"bar": text, "measured": f"{value:.2f}{unit}", "holds": value <= limit}

    added = max(found["front", c]["p50_us"] - found["nginx", c]["p50_us"] for c in CONCURRENCIES)
    wrong = sum(one["errors"] + one["held_back"] for one in measured["first_events"])
    each = max(one["per_stream_kib"] for one in measured["memory"])
    lost = sum(2 * one["streams"] - one["opened"] - one["lasted"] for one in measured["memory"])
    drifts = [one for one in measured["memory"] if one["slope_kib_a_minute"] is not None]
    # What the trend adds up to in the time it was watched for.
    grown = max((one["slope_kib_a_minute"] * one["drift_seconds"] / 60 / one["with_kib"]
                 for one in drifts), default=0.0)
    return [
        bar("first event, p50, at 1 and 16 connections: at most 1 ms more than the nginx hop",
            added / 1000, MOST_ADDED_US / 1000, " ms"),
        bar("first events that failed or waited for the next: none", wrong, 0),
        bar(f"resident memory a silent stream, of {STREAMS:,}: at most {MOST_KIB} KiB",
            each, MOST_KIB, " KiB"),
        bar("growth with all streams open while they were watched: at most 1 %",
            100 * grown, 100 * MOST_DRIFT, " %"),
        bar("silent streams that did not open or last: none", lost, 0),
    ]
