"""The bundled tools alone: what a call of theirs costs, without a gateway."""

import json
import os
import statistics
import subprocess

import measure
from servers import Trouble, ask, free_port, need

SECRET = "between-the-benchmark-and-tools-0123456789"
# Commits of the repository that tool-git serves.
COMMITS = 200

# Of which service, what the table says, tool, arguments.
CALLS = [
    ("tool-calculator", "add two numbers", "exact_calculate",
     {"operator": "add", "operands": ["1.2", "2.3"]}),
    ("tool-calculator", "stdev of 100 values", "exact_statistics",
     {"function": "stdev", "values": [f"{n * 37 % 101}.{n:02}" for n in range(100)]}),
    ("tool-calculator", "convert miles", "exact_convert_units",
     {"value": "26.2", "from_unit": "mi", "to_unit": "km"}),
    ("tool-calculator", "line through 100 pairs", "exact_regression",
     {"x": [str(n) for n in range(100)], "y": [f"{n * 37 % 101}.5" for n in range(100)]}),
    ("tool-calculator", "compound interest", "exact_evaluate",
     {"expression": "p * (1 + r/100/12) ^ (12*n)", "variables": {"p": "1000", "r": "4.5", "n": "30"}}),
    ("tool-git", "log, 30 commits", "git_log", {}),
    ("tool-git", "read a file", "git_read_file", {"path": "file7.txt"}),
    ("tool-git", "diff of 10 commits", "git_diff", {"from": "HEAD~10", "to": "HEAD"}),
    ("tool-git", "blame of 40 lines", "git_blame", {"path": "file7.txt"}),
    ("tool-git", "search in all files", "git_search", {"query": "line 39 of"}),
]


def repository(folder):
    """A bare repository with some history, packed."""
    path = os.path.join(folder, "bench.git")
    git = [need("git", "git"), "-C", path]
    subprocess.run([git[0], "init", "-q", "--bare", "-b", "main", path], check=True)
    stream = []
    for number in range(COMMITS):
        lines = "".join(f"line {line} of {number - (number + line) % 20}\n" for line in range(40))
        stream.append(f"commit refs/heads/main\ncommitter A <a@b> {1_700_000_000 + number} +0000\n"
                      f"data 4\nstep\nM 100644 inline file{number % 20}.txt\n"
                      f"data {len(lines)}\n{lines}\n")
    subprocess.run([*git, "fast-import", "--quiet"], input="".join(stream), text=True, check=True)
    subprocess.run([*git, "gc", "-q"], check=True)
    return path


def start(house, name, arguments):
    port = free_port()
    environment = {"TOOL_GATEWAY_SHARED_SECRET": SECRET, "REQUEST_TIMEOUT_MS": "20000",
                   "MCP_LOG_LEVEL": "info"}
    server = house.start(name, [house.binary(name), "--listen", f"127.0.0.1:{port}", *arguments],
                         environment=environment)
    server.accepts(port)
    return server, port


def listed(port):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    headers = {"Content-Type": "application/json", "X-Gateway-Auth": SECRET}
    _, answer = ask(port, "POST", "/mcp", body, headers)
    return {tool["name"] for tool in json.loads(answer)["result"]["tools"]}


def run(house, chosen, script, say):
    """A figure for each call that the built services know, at each concurrency."""
    os.environ["BENCH_SECRET"] = SECRET
    services = {
        "tool-calculator": start(house, "tool-calculator", []),
        "tool-git": start(house, "tool-git", ["--repo", f"bench={repository(house.folder)}"]),
    }
    known = {name: listed(port) for name, (_, port) in services.items()}
    measure.settle([server.pid for server in house.servers])
    wrk, figures = need("wrk", "wrk"), []
    for name, title, tool, arguments in CALLS:
        server, port = services[name]
        if tool not in known[name]:
            say(f"{name} has no {tool}: it is left out")
            continue
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                           "params": {"name": tool, "arguments": arguments}})
        headers = {"Content-Type": "application/json", "X-Gateway-Auth": SECRET}
        _, answer = ask(port, "POST", "/mcp", body, headers)
        if json.loads(answer).get("result", {}).get("isError") is not False:
            raise Trouble(f"{tool} answers {answer[:500]!r}")
        for connections in chosen.connections:
            windows = [measure.window(wrk, f"http://127.0.0.1:{port}/mcp", "none", body,
                                      connections, chosen.seconds // chosen.rounds, [server], script)
                       for _ in range(chosen.rounds)]
            middle = {key: statistics.median(window[key] for window in windows)
                      for key in ("calls_per_second", "p50_us", "p99_us", "foreign")}
            middle |= {"service": name, "call": title, "tool": tool, "connections": connections,
                       "cpu_us": statistics.median(w["cpu_us"][name] for w in windows),
                       "rss_kib": max(w["rss_kib"][name] for w in windows),
                       "errors": sum(sum(w["errors"].values()) for w in windows)}
            figures.append(middle)
            say(f"{connections:4} connections  {middle['calls_per_second']:9,.0f} calls/s  "
                f"CPU {middle['cpu_us']:7.1f} µs  errors {middle['errors']}  {tool}: {title}")
    return figures


def table(figures):
    lines = ["| tool alone | call | connections | calls/s | p50 ms | p99 ms | CPU µs a call | "
             "memory MB | errors |", "|---|---|--:|--:|--:|--:|--:|--:|--:|"]
    lines += [f"| `{one['tool']}` | {one['call']} | {one['connections']} | "
              f"{one['calls_per_second']:,.0f} | {one['p50_us'] / 1000:.2f} | "
              f"{one['p99_us'] / 1000:.2f} | {one['cpu_us']:.1f} | {one['rss_kib'] / 1024:.0f} | "
              f"{one['errors']} |" for one in figures]
    foreign = statistics.median(one["foreign"] for one in figures)
    return "\n".join([*lines, "", f"Other processes of the machine used {foreign:.0%} of its time "
                                  "in the middle window."])
