// Sessions of revisions up to 2025-11-25, one server for each; the SDKs 1.x and
// 2.x have the same transport for them.
import { randomUUID } from 'node:crypto';

/** How long a client is to wait before it comes back, in milliseconds. */
const RETRY = 200;

/** Sessions, whose servers `start` makes and connects. */
export class Sessions {
    #open = new Map();
    #Transport;
    #start;

    constructor(Transport, start) {
        this.#Transport = Transport;
        this.#start = start;
    }

    /** The servers of all open sessions. */
    servers() {
        return [...this.#open.values()].map(({ server }) => server);
    }

    /** Answers a request, of a session or for a new one. */
    async handle(request, message) {
        const id = request.headers.get('mcp-session-id');
        const options = message === undefined ? undefined : { parsedBody: message };
        if (id) {
            const session = this.#open.get(id);
            if (!session) return refusal(404, -32001, 'Session not found', message);
            return session.transport.handleRequest(request, options);
        }
        if (message?.method !== 'initialize') {
            return refusal(400, -32000, 'Bad Request: No valid session ID provided', message);
        }
        let server;
        const transport = new this.#Transport({
            sessionIdGenerator: () => randomUUID(),
            onsessioninitialized: id => void this.#open.set(id, { transport, server }),
            onsessionclosed: id => void this.#open.delete(id),
            eventStore: new Events(),
            retryInterval: RETRY,
        });
        server = await this.#start(transport);
        return transport.handleRequest(request, options);
    }
}

function refusal(status, code, text, message) {
    const error = { jsonrpc: '2.0', error: { code, message: text }, id: message?.id ?? null };
    return Response.json(error, { status });
}

/** Events that are kept until their session ends. */
class Events {
    #all = [];

    async storeEvent(streamId, message) {
        this.#all.push({ streamId, message });
        return `e${this.#all.length - 1}`;
    }

    async getStreamIdForEventId(id) {
        return this.#all[Number(id.slice(1))]?.streamId;
    }

    async replayEventsAfter(id, { send }) {
        const last = Number(id.slice(1));
        const streamId = this.#all[last]?.streamId;
        for (const [index, event] of this.#all.entries()) {
            // A priming event has no message.
            if (index > last && event.streamId === streamId && event.message.jsonrpc) {
                await send(`e${index}`, event.message);
            }
        }
        return streamId;
    }
}
