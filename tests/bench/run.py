"""Driver of scripts/bench: builds, starts everything, measures in one run,
prints tables and bars, and writes raw figures to target/bench/."""

import argparse
import contextlib
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import audit as audit_figures
import measure
import report
import streams
import tools
from servers import Gateway, House, Trouble, ask, call, need

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPT = os.path.join(ROOT, "tests", "bench", "call.lua")
BODY = json.dumps({
    "jsonrpc": "2.0", "id": 1, "method": "tools/call",
    "params": {"name": "exact_calculate",
               "arguments": {"operator": "add", "operands": ["1.2", "2.3"]}},
}, separators=(",", ":"))

# Name, title, and for a gateway: algorithm, quota, audit.
GATEWAYS = {
    "es256-none-sqlite": ("ES256", "no", "SQLite"),
    "es256-memory-sqlite": ("ES256", "memory", "SQLite"),
    "es256-memory-postgres": ("ES256", "memory", "PostgreSQL"),
    "hs256-memory-sqlite": ("HS256", "memory", "SQLite"),
    "es256-redis-sqlite": ("ES256", "Redis", "SQLite"),
    "es256-redis-postgres": ("ES256", "Redis", "PostgreSQL"),
}
PATHS = [
    ("stub", "(a) stub"),
    ("nginx", "(b) nginx → stub"),
    ("proxy", "(e) smallest actix+awc proxy → stub"),
    *((name, f"(c) gateway → stub: {a} JWT, {q} quota, {d} audit")
      for name, (a, q, d) in GATEWAYS.items()),
    ("front", "(d) nginx → gateway → stub: ES256, memory, SQLite"),
]
FRONT_OF = "es256-memory-sqlite"


def options():
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures what the gateway costs next to a plain nginx hop, in one run. "
                    "With the defaults it takes about twelve minutes after the build.")
    parser.add_argument("--seconds", type=int, default=10, metavar="N",
                        help="load on each path at each concurrency (default 10)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N",
                        help="turns to spread it over; their medians count (default 5)")
    parser.add_argument("--connections", default="1,16,64,256", metavar="LIST",
                        help="concurrencies (default 1,16,64,256)")
    parser.add_argument("--only", default="", metavar="LIST",
                        help="these paths only: " + ", ".join(name for name, _ in PATHS))
    parser.add_argument("--starts", type=int, default=7, metavar="N",
                        help="starts to take the median of (default 7)")
    parser.add_argument("--quota", action="store_true",
                        help="only what quotas add: without, in memory, in Redis; at 1 and 64 "
                             "connections, about two minutes")
    parser.add_argument("--streams", action="store_true",
                        help="the streaming part only, which takes about three minutes")
    parser.add_argument("--audit", action="store_true",
                        help="the figures of the audit trail, with the nginx hop to compare "
                             "with, which takes about two minutes")
    parser.add_argument("--tools", action="store_true",
                        help="the bundled tools alone, without a gateway; about two minutes")
    parser.add_argument("--drift", type=int, nargs="?", const=600, metavar="SECONDS",
                        help="watch the memory of silent streams for so long (default 60; "
                             "without a number 600)")
    parser.add_argument("--quick", action="store_true",
                        help="3 s in three turns, at 64 and 256 connections only; memory is "
                             "watched for 20 s")
    parser.add_argument("--enforce", action="store_true",
                        help="end with 1 when a bar is missed or could not be measured")
    parser.add_argument("--no-build", action="store_true", help="measure what is built already")
    chosen = parser.parse_args()
    if chosen.drift is None:
        chosen.drift = 20 if chosen.quick else 60
    if chosen.tools:
        if chosen.only or chosen.streams or chosen.audit or chosen.quota:
            parser.error("--tools has calls of its own: leave the other choices out")
        chosen.only, chosen.connections = "stub", "1,64"
    if chosen.quota:
        if chosen.only or chosen.streams or chosen.audit:
            parser.error("--quota has paths of its own: leave --only, --streams and --audit out")
        chosen.only = ",".join(["nginx", *report.QUOTA])
        chosen.connections = "1,64"
    if chosen.audit and (chosen.streams or chosen.only):
        parser.error("--audit has paths of its own: leave --streams and --only out")
    chosen.audit_alone = chosen.audit
    if chosen.audit:
        chosen.only, chosen.connections = "nginx", "64"
    if chosen.streams and chosen.only:
        parser.error("--streams has paths of its own: leave --only out")
    chosen.calls = not (chosen.streams or chosen.tools)
    # Whoever picks paths does not wait for streams, nor for the audit trail.
    chosen.audit = chosen.audit or not (chosen.only or chosen.streams)
    chosen.streams = chosen.streams or not chosen.only
    if chosen.quick:
        chosen.seconds, chosen.rounds = 3, 3
        if not chosen.tools:
            chosen.connections = "64" if chosen.connections == "64" else "64,256"
    try:
        chosen.connections = [int(number) for number in chosen.connections.split(",")]
    except ValueError:
        parser.error("--connections wants numbers, separated by commas")
    known = [name for name, _ in PATHS]
    chosen.only = [name for name in chosen.only.split(",") if name] or known
    for name in chosen.only:
        if name not in known:
            parser.error(f"no such path: {name}")
    if min([chosen.seconds, chosen.rounds, chosen.starts, chosen.drift,
            *chosen.connections]) < 1:
        parser.error("numbers begin at 1")
    if chosen.seconds % chosen.rounds:
        parser.error("--seconds must be a multiple of --rounds: a turn takes whole seconds")
    return chosen


def say(text):
    print(text, flush=True)


def build(chosen):
    gateways = chosen.streams or chosen.tools or any(name in GATEWAYS or name == "front" for name in chosen.only)
    what = ["--bins", "--examples"] if gateways else ["--examples"]
    say("building (release) …")

    if subprocess.run(["cargo", "build", "--release", "--locked", *what], cwd=ROOT,
                      check=False).returncode:
        raise Trouble("the build failed")
    if chosen.audit:
        audit_figures.build(ROOT)


def start_times(gateway, count):
    """Medians of start → ready, with a new and with an existing database. The
    gateway runs afterwards."""
    state = os.path.join(gateway.folder, "state")
    new, existing = [], []
    for index in range(count):
        new.append(gateway.start())
        gateway.stop()
        existing.append(gateway.start())
        gateway.stop()
        if index < count - 1:
            shutil.rmtree(state)
            for name in os.listdir(gateway.folder):
                if name.startswith("scopegate.db"):
                    os.remove(os.path.join(gateway.folder, name))
    gateway.start()
    return {
        "new database": {"median_ms": statistics.median(new), "all_ms": new},
        "existing database": {"median_ms": statistics.median(existing), "all_ms": existing},
    }


def check_audit(gateway, made, most):
    """Every answered call must have ended in the trail, with success. wrk
    hangs up in the middle of at most one call a connection and window: those
    may be there too."""
    end = time.monotonic() + 60
    while True:
        allowed, ended = gateway.audited()
        if (ended >= made and allowed == ended) or time.monotonic() > end:
            break
        time.sleep(0.3)
    endings = gateway.endings()
    good = endings.get("success", 0)
    cut = sum(endings.values()) - good
    problem = ""
    if good < made:
        problem = f"{made - good} rows lost"
    elif good + cut > most:
        problem = f"{good + cut - most} rows too many"
    elif allowed != ended:
        problem = f"{allowed - ended} calls without an end"
    return {"calls_answered": made, "rows": sum(endings.values()), "endings": endings,
            "problem": problem}


def run(chosen, house):
    stub, stub_port = house.stub()
    targets = {"stub": (stub_port, "/mcp", "none", [("stub", stub)])}
    if "nginx" in chosen.only:
        server, port = house.plain_nginx(stub_port)
        targets["nginx"] = (port, "/mcp", "none", [("nginx", server), ("stub", stub)])
    if "proxy" in chosen.only:
        server, port = house.minimal_proxy(stub_port)
        targets["proxy"] = (port, "/mcp", "none", [("proxy", server), ("stub", stub)])

    wanted = [name for name in GATEWAYS
              if name in chosen.only or (name == FRONT_OF and "front" in chosen.only)]
    facts = [GATEWAYS[name] for name in wanted]
    redis = house.redis() if any(q == "Redis" for _, q, _ in facts) else None
    postgres = house.postgres() if any(d == "PostgreSQL" for _, _, d in facts) else None
    issuers = {a: house.issuer(a) for a in {a for a, _, _ in facts}}
    gateways, starts = {}, {}
    for name in wanted:
        algorithm, quota, audit = GATEWAYS[name]
        known, token = issuers[algorithm]
        gateway = Gateway(house, name, stub_port, known,
                          redis=redis[1] if quota == "Redis" else None,
                          postgres=postgres[1] if audit == "PostgreSQL" else None,
                          counts=quota != "no")
        if name == FRONT_OF:
            starts = start_times(gateway, chosen.starts)
        else:
            gateway.start()
        way = [("gateway", gateway.server), ("stub", stub)]
        if quota == "Redis":
            way.append(("redis", redis[0]))
        if audit == "PostgreSQL":
            way.append(("postgres", postgres[0]))
        gateways[name] = gateway
        targets[name] = (gateway.port, "/calculator/mcp", token, way)
    if "front" in chosen.only:
        gateway = gateways[FRONT_OF]
        server, port = house.shipped_nginx(gateway.port)
        _, path, token, way = targets[FRONT_OF]
        targets["front"] = (port, path, token, [("front", server), *way])

    made = dict.fromkeys(gateways, 0)
    cut = dict.fromkeys(gateways, 0)
    order = [(name, title) for name, title in PATHS if name in targets and name in chosen.only]
    for name, _ in order:
        port, path, token, _ = targets[name]
        call(port, path, token, BODY)
        owner = FRONT_OF if name == "front" else name
        if owner in made:
            made[owner] += 1

    # Before the first turn, all must rest; after each, those that worked do.
    measure.settle([server.pid for server in house.servers])
    windows = {}
    wrk = need("wrk", "wrk")
    for connections in chosen.connections:
        for _ in range(chosen.rounds):
            for name, title in order:
                port, path, token, way = targets[name]
                way = [Named(role, server) for role, server in way]
                window = measure.window(wrk, f"http://127.0.0.1:{port}{path}", token, BODY,
                                        connections, chosen.seconds // chosen.rounds, way, SCRIPT)
                windows.setdefault((name, connections), []).append(window)
                owner = FRONT_OF if name == "front" else name
                if owner in made:
                    made[owner] += window["calls"]
                    cut[owner] += connections
                cpu = "  ".join(f"{n} {us:.1f}" for n, us in window["cpu_us"].items())
                say(f"{connections:4} connections  {window['calls_per_second']:9,.0f} calls/s  "
                    f"p99 {window['p99_us'] / 1000:7.2f} ms  errors "
                    f"{sum(window['errors'].values())}  others use {window['foreign']:4.0%}  "
                    f"{title}  [CPU µs a call: {cpu}]")
    calls_of_stub = int(ask(stub_port, "GET", "/count")[1])
    audit = {name: check_audit(gateway, made[name], made[name] + cut[name])
             for name, gateway in gateways.items()}
    return order, windows, starts, audit, calls_of_stub


@contextlib.contextmanager
def house_in(output):
    """Servers and their folder, which stays when something goes wrong."""
    folder = tempfile.mkdtemp(prefix="run-", dir=output)
    os.chmod(folder, 0o755)  # nginx and PostgreSQL run as somebody else
    house = House(ROOT, folder)
    keep = True
    try:
        yield house
        keep = False
    finally:
        with contextlib.suppress(KeyboardInterrupt):
            house.close()
        if keep:
            say(f"logs are in {os.path.relpath(folder, ROOT)}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


class Named:
    """A server under the name of its part on one path."""

    def __init__(self, name, server):
        self.name = name
        self.pid = server.pid


def setting():
    with open("/proc/cpuinfo") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    version = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=False)
    nginx = subprocess.run([need("nginx", "nginx-light"), "-v"], capture_output=True, text=True,
                           check=False)
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT,
                            capture_output=True, text=True, check=False)
    return {"cores": len(models), "processor": models[0] if models else platform.machine(),
            "kernel": platform.release(), "rustc": version.stdout.strip(),
            "nginx": nginx.stderr.strip().removeprefix("nginx version: "),
            "commit": commit.stdout.strip(), "date": time.strftime("%Y-%m-%d")}


def calls_report(chosen, order, windows, starts):
    """Tables of the calls, and what was measured as their bars take it."""
    results = {key: report.merged(list_) for key, list_ in windows.items()}
    lines = []
    for connections in chosen.connections:
        lines += [report.table(order, results, connections), ""]
    added = report.quota_table(results, chosen.connections)
    if added:
        lines += [added, ""]
    foreign = [w["foreign"] for list_ in windows.values() for w in list_]
    lines += [f"Other processes of the machine used {statistics.median(foreign):.0%} of its time "
              f"in the middle window, {max(foreign):.0%} in the worst.", ""]
    if starts:
        times = ", ".join(f"{s['median_ms']:.0f} ms with {name}" if name[0] in "aeiou" else
                          f"{s['median_ms']:.0f} ms with a {name}" for name, s in starts.items())
        lines += [f"Start to ready, median of {chosen.starts}: {times}.".replace(
            "with existing", "with an existing"), ""]
    return lines, results


def print_report(chosen, where, calls, measured, audit, figures):
    """Everything as text; what was not measured is None."""
    lines = [f"{where['date']}, commit {where['commit']}: {where['cores']} cores "
             f"({where['processor']}), {where['rustc']}, {where['nginx']}"
             + (f"; {chosen.seconds} s each, in {chosen.rounds} turns." if calls else "."), ""]
    bars = []
    if calls:
        order, windows, starts, calls_audit = calls
        tables, results = calls_report(chosen, order, windows, starts)
        lines += tables
        if not chosen.audit_alone:
            bars += report.bars(results, starts, calls_audit)
    if measured:
        lines += [streams.tables(measured), ""]
        bars += streams.bars(measured)
    if figures:
        base = results.get(("nginx", 64)) if calls else None
        lines += [audit_figures.table(figures), ""]
        bars += audit_figures.bars(figures, report.hop_cpu(base) if base else None)
    for name, one in audit.items():
        lines.append(f"- Audit of {name}: {one['calls_answered']:,} calls answered, "
                     f"{one['rows']:,} rows{': ' + one['problem'] if one['problem'] else ''}.")
    lines += ["", "| bar | measured | |", "|---|--:|---|"]
    words = {True: "holds", False: "**missed**", None: "–"}
    lines += [f"| {b['bar']} | {b['measured']} | {words[b['holds']]} |" for b in bars]
    text = "\n".join(lines)
    say("\n" + text)
    return bars, text


def tools_alone(chosen, output, where):
    """What the bundled tools cost, in files like those of a whole run."""
    with house_in(output) as house:
        figures = tools.run(house, chosen, SCRIPT, say)
    text = (f"{where['date']}, commit {where['commit']}: {where['cores']} cores "
            f"({where['processor']}), {where['rustc']}; {chosen.seconds} s each, in "
            f"{chosen.rounds} turns.\n\n{tools.table(figures)}")
    say("\n" + text)
    keep(output, {"setting": where, "tools": figures}, text)
    return 1 if any(one["errors"] for one in figures) else 0


def keep(output, raw, text):
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for name, content in ((f"{stamp}.json", json.dumps(raw, indent=1)), (f"{stamp}.md", text)):
        with open(os.path.join(output, name), "w") as file:
            file.write(content + "\n")
    say(f"\nraw figures: target/bench/{stamp}.json, tables: target/bench/{stamp}.md")


def main():
    chosen = options()
    # A signal ends the run like an error: nothing that was started stays.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    output = os.path.join(ROOT, "target", "bench")
    os.makedirs(output, exist_ok=True)
    if chosen.calls or chosen.tools:
        need("wrk", "wrk")
    where = setting()
    if not chosen.no_build:
        build(chosen)
    if chosen.tools:
        return tools_alone(chosen, output, where)
    calls, measured, audit = None, None, {}
    raw = {"setting": where}
    if chosen.calls:
        with house_in(output) as house:
            order, windows, starts, audit, answered = run(chosen, house)
        calls = (order, windows, starts, audit)
        raw |= {"seconds": chosen.seconds, "rounds": chosen.rounds,
                "windows": [{"path": name, **window} for (name, _), list_ in windows.items()
                            for window in list_],
                "starts": starts, "calls_of_stub": answered}
    if chosen.streams:
        with house_in(output) as house:
            measured, streams_audit = streams.run(house, chosen.rounds, chosen.drift, say,
                                                  check_audit, BODY)
        audit = {**audit, **streams_audit}
        raw["streams"] = measured
    figures = {}
    if chosen.audit:
        say("measuring the audit trail …")
        figures = audit_figures.run(ROOT, 3)
        raw["audit_figures"] = figures
    bars, text = print_report(chosen, where, calls, measured, audit, figures)
    raw |= {"audit": audit, "bars": bars}
    keep(output, raw, text)
    lost = [name for name, one in audit.items() if one["problem"]]
    if lost:
        say("FAILED: the audit trail does not match the calls of " + ", ".join(lost))
        return 1
    if chosen.enforce and not all(bar["holds"] for bar in bars):
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Trouble as trouble:
        print(f"scripts/bench: {trouble}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
