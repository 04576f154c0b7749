"""The audit trail's own figures: what writing, shipping and verifying an event
costs, from the tests in src/audit/tests/cost.rs. They run in one process with one
database at a time, so that nothing else is in the figure."""

import os
import subprocess

from servers import Trouble

TESTS = "audit::tests::cost"
DATABASES = (("sqlite", "SQLite", 2.0), ("postgres", "PostgreSQL", 0.8))
ROWS = (
    ("write_us", "CPU µs an event: canonical line, hash chain, journal"),
    ("ship_us", "CPU µs an event: shipping it, in the gateway's process"),
    ("drain_per_s", "events/s of a backlog that drains"),
    ("most_waiting", "most events that waited at 5,000 calls/s (10,000 events/s)"),
    ("verify_journal_per_s", "events verified a second of CPU, from files"),
    ("verify_database_per_s", "events verified a second of CPU, from the database"),
)


def build(root):
    command = ["cargo", "test", "--release", "--locked", "--lib", "--no-run"]
    if subprocess.run(command, cwd=root, check=False).returncode:
        raise Trouble("the build of the audit figures failed")


def run(root, rounds):
    """Medians of several turns: database → name → value."""
    values = {}
    for _ in range(rounds):
        command = ["cargo", "test", "--release", "--locked", "--lib", TESTS, "--",
                   "--nocapture", "--test-threads=1"]
        done = subprocess.run(command, cwd=root, check=False, capture_output=True, text=True,
                              timeout=600, env={**os.environ, "RUST_BACKTRACE": "0"})
        if done.returncode:
            raise Trouble("the audit figures could not be measured:\n" + done.stdout[-2000:])
        for line in done.stdout.splitlines():
            if line.startswith("figure "):
                _, database, name, value = line.split(" ")
                values.setdefault(database, {}).setdefault(name, []).append(float(value))
    return {database: {name: sorted(list_)[len(list_) // 2] for name, list_ in named.items()}
            for database, named in values.items()}


def table(figures):
    lines = ["### Audit", "", "| | " + " | ".join(t for _, t, _ in DATABASES) + " |",
             "|---|" + "--:|" * len(DATABASES)]
    for name, title in ROWS:
        cells = [figures.get(database, {}).get(name) for database, _, _ in DATABASES]
        shown = ["" if c is None else f"{c:,.2f}" if c < 100 else f"{c:,.0f}" for c in cells]
        lines.append(f"| {title} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def bars(figures, nginx_us):
    """`nginx_us`: CPU of the plain nginx hop a call in the same run, or None."""
    found = []

    def bar(text, value, limit, at_most=True, unit=""):
        holds = None if value is None else value <= limit if at_most else value >= limit
        measured = "not measured" if value is None else f"{value:,.2f}{unit}"
        found.append({"bar": text, "measured": measured, "holds": holds})

    for database, title, most in DATABASES:
        named = figures.get(database, {})
        # A call is two events, the decision and the outcome.
        spent = 2 * (named["write_us"] + named["ship_us"]) if "ship_us" in named else None
        bar(f"audit adds to a call's CPU with {title}: at most {most} × the nginx hop",
            spent / nginx_us if spent and nginx_us else None, most, unit=" ×")
        bar(f"a backlog drains with {title}: at least 10,000 events/s",
            named.get("drain_per_s"), 10_000, False)
        bar(f"events that wait at 5,000 calls/s with {title}: at most a second's",
            named.get("most_waiting"), 10_000)
        slowest = min((named[n] for n in ("verify_journal_per_s", "verify_database_per_s")
                       if n in named), default=None)
        bar(f"verifying with {title}: at least 100,000 events/s of one core", slowest, 100_000,
            False)
    return found
