"""One window of load, and what it cost whom."""

import json
import os
import resource
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")


def stat(pid):
    """The fields of /proc/PID/stat after the name, or None."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def children(pid):
    """Direct children of a process, by looking at all processes: nginx and
    PostgreSQL start their own."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = stat(name)
            if fields and fields[1] == str(pid):
                found.append(int(name))
    return found


def cpu(pid):
    """CPU time of a process and its children, all threads, in µs; children
    that have ended count too."""
    ticks = 0
    fields = stat(pid)
    if fields:
        ticks += sum(map(int, fields[11:15]))
    for child in children(pid):
        fields = stat(child)
        if fields:
            ticks += sum(map(int, fields[11:13]))
    return ticks * 1_000_000 / TICKS


def resident(pid):
    """Resident memory of a process and its children, in KiB. Shared pages
    count once a process."""
    total = 0
    for one in [pid, *children(pid)]:
        try:
            with open(f"/proc/{one}/status") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total


def machine():
    """CPU time of the whole machine: busy, stolen by the host, all, in ticks."""
    with open("/proc/stat") as file:
        fields = [int(field) for field in file.readline().split()[1:9]]
    return sum(fields) - fields[3] - fields[4] - fields[7], fields[7], sum(fields)


def children_cpu():
    """CPU time of our ended children, which is wrk's, in µs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (usage.ru_utime + usage.ru_stime) * 1_000_000


def settle(pids, patience=20):
    """Waits until the processes rest: what they do after the last answer,
    such as shipping the audit trail, belongs to the calls."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        before = [cpu(pid) for pid in pids]
        time.sleep(0.5)
        after = [cpu(pid) for pid in pids]
        if all(late - early <= 2_000_000 / TICKS for early, late in zip(before, after)):
            return


def window(wrk, url, token, body, connections, seconds, servers, script):
    """Load on `url` for so many seconds. `servers` are those on the way."""
    pids = {server.name: server.pid for server in servers}
    before = {name: cpu(pid) for name, pid in pids.items()}
    busy, stolen, total = machine()
    load = children_cpu()
    peak = dict.fromkeys(pids, 0)
    # One thread of wrk is enough for one core's worth of load, and leaves the
    # other to what is measured.
    process = subprocess.Popen(
        [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", script, url],
        env={**os.environ, "BENCH_TOKEN": token, "BENCH_BODY": body},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        pause = max(0.25, seconds / 8)
        while process.poll() is None:
            for name, pid in pids.items():
                peak[name] = max(peak[name], resident(pid))
            try:
                process.wait(pause)
            except subprocess.TimeoutExpired:
                pass
        output = process.stdout.read()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    load = children_cpu() - load
    late_busy, late_stolen, late_total = machine()
    at_end = {name: cpu(pid) for name, pid in pids.items()}
    settle(pids.values())
    after = {name: cpu(pid) for name, pid in pids.items()}
    for line in output.splitlines():
        if line.startswith("RESULT "):
            result = json.loads(line[7:])
            break
    else:
        raise RuntimeError(f"wrk says: {output}")
    calls = max(1, result["calls"])
    ours = sum(at_end[name] - before[name] for name in pids) / 1_000_000 * TICKS
    ticks = max(1, late_total - total)
    return {
        "connections": connections,
        "calls": result["calls"],
        "calls_per_second": result["calls"] / (result["duration_us"] / 1_000_000),
        "p50_us": result["p50_us"],
        "p99_us": result["p99_us"],
        "max_us": result["max_us"],
        "reply_bytes": result["bytes"] / calls,
        "errors": {key: result[key] for key in ("connect", "read", "write", "status", "timeout")},
        "cpu_us": {name: (after[name] - before[name]) / calls for name in pids},
        "rss_kib": peak,
        # Shares of the machine's time: the load itself, and everybody else.
        "wrk_cpu_us": load / calls,
        "foreign": max(0.0, (late_busy - busy - ours - load / 1_000_000 * TICKS) / ticks),
        "stolen": (late_stolen - stolen) / ticks,
    }
