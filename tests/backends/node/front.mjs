// The HTTP side: what is asked of a request before the SDK sees it, and what is
// remembered of it.
import { createServer } from 'node:http';
import { once } from 'node:events';

import { exchange, report } from './observed.mjs';

const HOSTS = /^(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?$/;

/**
 * Serves MCP at /mcp and what was seen at /observed. `handle` gets a Request of
 * the web's standard, whose signal says when the client has left, and the
 * message in it; it gives a Response.
 */
export function serve({ listen, secret }, handle) {
    const [host, port] = listen.split(':');
    if (host !== '127.0.0.1') throw new Error('a test backend listens on loopback only');
    const server = createServer((req, res) => {
        answer(req, res, secret, handle).catch(error => {
            console.error(error);
            res.destroy();
        });
    });
    server.keepAliveTimeout = 75_000;
    server.requestTimeout = 0;
    server.listen(Number(port), host, () => {
        console.log(`listening on http://${host}:${server.address().port}/mcp`);
    });
}

async function answer(req, res, secret, handle) {
    if (req.url === '/observed') return send(res, Response.json(report()));
    if (req.url !== '/mcp') return send(res, Response.json({ error: 'not_found' }, { status: 404 }));
    const chunks = [];
    for await (const chunk of req) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const message = parsed(body);
    const seen = exchange(req.method, message, req.headers);
    const left = new AbortController();
    res.on('close', () => {
        seen.end(res.writableFinished ? 'completed' : 'aborted');
        if (!res.writableFinished) left.abort();
    });
    const response = await admitted(req, secret, () =>
        handle(
            new Request(`http://${req.headers.host}${req.url}`, {
                method: req.method,
                headers: Object.entries(req.headersDistinct).flatMap(([name, values]) =>
                    values.map(value => [name, value]),
                ),
                body: body.length ? body : undefined,
                signal: left.signal,
            }),
            message,
        ),
    );
    seen.answered(response);
    return send(res, response);
}

/** Only the gateway gets in, and nobody by a name that is not this machine's. */
async function admitted(req, secret, next) {
    const origin = req.headers.origin?.replace(/^https?:\/\//, '');
    if (![req.headers.host, origin ?? 'localhost'].every(name => HOSTS.test(name ?? ''))) {
        return Response.json({ error: 'not a name of this machine' }, { status: 403 });
    }
    if (secret && req.headers['x-gateway-auth'] !== secret) {
        return Response.json({ error: 'not the gateway' }, { status: 401 });
    }
    return next();
}

/** Passes each piece on as it comes. */
async function send(res, response) {
    // Whether the connection is kept is not for the SDK to say.
    const headers = [...response.headers].filter(([name]) => name !== 'connection');
    res.writeHead(response.status, Object.fromEntries(headers));
    res.flushHeaders();
    const reader = response.body?.getReader();
    res.on('close', () => reader?.cancel().catch(() => {}));
    for (;;) {
        const { done, value } = (await reader?.read()) ?? { done: true };
        if (done) return res.end();
        if (!res.write(value)) await Promise.race([once(res, 'drain'), once(res, 'close')]);
    }
}

function parsed(body) {
    try {
        return JSON.parse(body.toString('utf8'));
    } catch {
        return undefined;
    }
}
