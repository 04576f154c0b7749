"""From windows to tables and verdicts."""

import statistics

# The hop of each path: the processes between the caller and the stub.
HOPS = ("nginx", "proxy", "front", "gateway")


def merged(windows):
    """Several windows of one path and concurrency as one: medians, but every
    error and the largest memory."""
    def middle(values):
        return statistics.median(values)
    first = windows[0]
    result = {key: middle([w[key] for w in windows])
              for key in ("calls_per_second", "p50_us", "p99_us", "reply_bytes", "foreign",
                          "stolen", "wrk_cpu_us")}
    result["connections"] = first["connections"]
    result["calls"] = sum(w["calls"] for w in windows)
    result["errors"] = sum(sum(w["errors"].values()) for w in windows)
    result["cpu_us"] = {n: middle([w["cpu_us"][n] for w in windows]) for n in first["cpu_us"]}
    result["rss_kib"] = {n: max(w["rss_kib"][n] for w in windows) for n in first["rss_kib"]}
    return result


def hop_cpu(result):
    return sum(us for name, us in result["cpu_us"].items() if name in HOPS)


def table(paths, results, connections):
    """One Markdown table: a row a path."""
    lines = [
        f"### {connections} connection{'s' if connections > 1 else ''}",
        "",
        "| path | calls/s | p50 ms | p99 ms | CPU µs a call: gateway | nginx | stub | database, "
        "Redis | memory MB | errors | calls/s ÷ nginx | hop CPU ÷ nginx |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    base = results.get(("nginx", connections))
    for name, title in paths:
        result = results.get((name, connections))
        if not result:
            continue
        cpu = result["cpu_us"]
        def us(*names):
            found = [cpu[n] for n in names if n in cpu]
            return f"{sum(found):.1f}" if found else ""
        memory = [result["rss_kib"][n] for n in ("gateway", "proxy") if n in result["rss_kib"]]
        through = hop_cpu(result) > 0
        lines.append("| " + " | ".join([
            title,
            f"{result['calls_per_second']:,.0f}",
            f"{result['p50_us'] / 1000:.2f}",
            f"{result['p99_us'] / 1000:.2f}",
            us("gateway", "proxy"),
            us("nginx", "front"),
            us("stub"),
            us("postgres", "redis"),
            f"{memory[0] / 1024:.0f}" if memory else "",
            str(result["errors"]),
            f"{result['calls_per_second'] / base['calls_per_second']:.2f}" if base else "",
            f"{hop_cpu(result) / hop_cpu(base):.2f}" if base and through else "",
        ]) + " |")
    return "\n".join(lines)


# Paths that differ in where calls are counted only: nowhere, here, in Redis.
QUOTA = ("es256-none-sqlite", "es256-memory-sqlite", "es256-redis-sqlite")


def quota_added(results, name, connections):
    """What counting adds to a call: CPU of the gateway in µs and as a part of
    the nginx hop, p50 and p99 in ms. None where one of them is missing."""
    base = results.get((QUOTA[0], connections))
    result = results.get((name, connections))
    nginx = results.get(("nginx", connections))
    if not base or not result:
        return None
    cpu = result["cpu_us"]["gateway"] - base["cpu_us"]["gateway"]
    return {"cpu_us": cpu, "hops": cpu / hop_cpu(nginx) if nginx else None,
            "p50_ms": (result["p50_us"] - base["p50_us"]) / 1000,
            "p99_ms": (result["p99_us"] - base["p99_us"]) / 1000}


def quota_table(results, connections):
    """What quotas add, as a Markdown table; nothing where it was not measured."""
    lines = []
    for name, title in zip(QUOTA[1:], ("memory", "Redis")):
        for count in connections:
            added = quota_added(results, name, count)
            if added:
                hops = "" if added["hops"] is None else f"{added['hops']:+.2f} ×"
                lines.append(f"| {title} | {count} | {added['cpu_us']:+.1f} | {hops} | "
                             f"{added['p50_ms']:+.2f} | {added['p99_ms']:+.2f} |")
    head = ["### What quotas add", "", "| counted in | connections | CPU µs a call: gateway | "
            "÷ nginx hop | p50 ms | p99 ms |", "|---|--:|--:|--:|--:|--:|"]
    return "\n".join(head + lines) if lines else ""


def bars(results, starts, audit):
    """Each bar: what it is, what was measured, whether it holds (None: not
    measured in this run)."""
    found = []

    def bar(text, value, limit, at_most=True, unit=""):
        holds = None if value is None else value <= limit if at_most else value >= limit
        measured = "not measured" if value is None else f"{value:.2f}{unit}"
        found.append({"bar": text, "measured": measured, "holds": holds})

    base = results.get(("nginx", 64))

    def ratio(name, of):
        result = results.get((name, 64))
        return of(result) / of(base) if result and base else None

    def gateway_cpu(result):
        return result["cpu_us"].get("gateway") or hop_cpu(result)

    def speed(result):
        return result["calls_per_second"]

    sqlite, postgres = "es256-memory-sqlite", "es256-memory-postgres"
    bar("gateway CPU a call, ES256, memory quota, SQLite: at most 4.5 × the nginx hop",
        ratio(sqlite, gateway_cpu), 4.5, unit=" ×")
    bar("the same with PostgreSQL: at most 3 ×", ratio(postgres, gateway_cpu), 3.0, unit=" ×")
    bar("calls/s with SQLite: at least 0.35 × nginx's", ratio(sqlite, speed), 0.35, False, " ×")
    bar("calls/s with PostgreSQL: at least 0.35 × nginx's",
        ratio(postgres, speed), 0.35, False, " ×")
    memory = [r["rss_kib"]["gateway"] / 1024 for (_, connections), r in results.items()
              if connections == 256 and "gateway" in r["rss_kib"]]
    bar("resident memory of every gateway at 256 connections: at most 60 MB",
        max(memory) if memory else None, 60, unit=" MB")
    errors = [r["errors"] for (name, _), r in results.items()]
    bar("errors on any path: none", sum(errors) if errors else None, 0)
    slowest = max((s["median_ms"] for s in starts.values()), default=None)
    bar("start to ready, median, new and existing database: under 150 ms", slowest, 150,
        unit=" ms")
    here, there = (quota_added(results, name, 64) or {} for name in QUOTA[1:])
    alone = quota_added(results, QUOTA[2], 1) or {}
    bar("memory quota, CPU a call: at most 0.2 × the nginx hop", here.get("hops"), 0.2,
        unit=" ×")
    bar("Redis quota, CPU a call in the gateway: at most 1.2 × the nginx hop",
        there.get("hops"), 1.2, unit=" ×")
    bar("Redis quota, p50 at 1 connection: at most 0.3 ms more", alone.get("p50_ms"), 0.3,
        unit=" ms")
    lost = sum(1 for one in audit.values() if one["problem"]) if audit else None
    bar("gateways whose audit trail does not match the calls made: none", lost, 0)
    return found
