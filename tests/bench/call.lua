-- One tools/call, always the same: wrk prepares it once, so that making
-- requests costs the measured processes as little as possible.
-- BENCH_TOKEN goes into the Authorization header, BENCH_SECRET to tools that are
-- asked without a gateway.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Accept"] = "application/json, text/event-stream"
wrk.headers["MCP-Protocol-Version"] = "2025-11-25"
wrk.headers["Authorization"] = "Bearer " .. os.getenv("BENCH_TOKEN")
wrk.headers["X-Gateway-Auth"] = os.getenv("BENCH_SECRET")
wrk.body = os.getenv("BENCH_BODY")

function done(summary, latency, _)
    io.write(string.format(
        '\nRESULT {"calls":%d,"duration_us":%d,"bytes":%d,"p50_us":%d,"p99_us":%d,"max_us":%d,'
            .. '"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\n',
        summary.requests, summary.duration, summary.bytes,
        latency:percentile(50), latency:percentile(99), latency.max,
        summary.errors.connect, summary.errors.read, summary.errors.write,
        summary.errors.status, summary.errors.timeout))
end
