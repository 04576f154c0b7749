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
    lost = sum(1 for one in audit.values() if one["problem"]) if audit else None
    bar("gateways whose audit trail does not match the calls made: none", lost, 0)
    return found
