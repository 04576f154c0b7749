// What a backend is told at its start: `--listen 127.0.0.1:9000`, and for the
// SDK 2.x `--legacy sessions|stateless|reject` and `--lists silent`; TOOL_GATEWAY_SHARED_SECRET in
// the environment.
import { parseArgs } from 'node:util';

/** The options, `more` among them with their defaults. */
export function options(more = {}) {
    const known = { listen: process.env.BACKEND_LISTEN ?? '127.0.0.1:9000', ...more };
    const names = Object.entries(known);
    const { values } = parseArgs({
        options: Object.fromEntries(names.map(([name, value]) => [name, { type: 'string', default: value }])),
    });
    return { ...values, secret: process.env.TOOL_GATEWAY_SHARED_SECRET };
}
