// What has been seen: every HTTP exchange, and every call of a tool with its
// end. The same report as that of the server in Rust: see ../src/observed.rs.

const calls = [];
const exchanges = [];

/** The answer to `GET /observed`. */
export const report = () => ({ now_ms: Date.now(), calls, exchanges });

/** A request has arrived. */
export function exchange(method, message, headers) {
    const seen = {
        method,
        message: message?.method ?? null,
        headers,
        status: null,
        content_type: null,
        session: null,
        state: 'running',
        began_ms: Date.now(),
        answered_ms: null,
        ended_ms: null,
    };
    exchanges.push(seen);
    return {
        answered({ status, headers }) {
            seen.status = status;
            seen.content_type = headers.get('content-type');
            seen.session = headers.get('mcp-session-id');
            seen.answered_ms = Date.now();
        },
        end: state => end(seen, state),
    };
}

/** Watches a call of a tool until it ends, by itself or by the signal. */
export async function call({ tool, args, id, era, headers, signal }, work) {
    const began_ms = Date.now();
    const seen = { tool, arguments: args, id, era, headers, state: 'running', began_ms, ended_ms: null };
    calls.push(seen);
    signal.addEventListener('abort', () => end(seen, 'aborted'), { once: true });
    try {
        return await work();
    } finally {
        end(seen, 'completed');
    }
}

function end(seen, state) {
    if (seen.state !== 'running') return;
    seen.state = state;
    seen.ended_ms = Date.now();
}
