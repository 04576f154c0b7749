// An MCP server on the official TypeScript SDK 2.x that offers everything tests
// ask for, in both eras.
//
// --legacy says how it serves revisions up to 2025-11-25: with `sessions`
// (default), `stateless`, which is what the SDK does by itself, or not at all
// (`reject`). --lists silent lets it tell of resources only, not of lists.
import { call } from './observed.mjs';
import { catalogue, completions, content, filled } from './catalogue.mjs';
import { load } from './packages.mjs';
import { options } from './options.mjs';
import { perform } from './tools.mjs';
import { progress } from './questions.mjs';
import { serve } from './front.mjs';
import { Sessions } from './sessions.mjs';

const {
    McpServer,
    ProtocolError,
    ResourceNotFoundError,
    WebStandardStreamableHTTPServerTransport,
    createMcpHandler,
    createRequestStateCodec,
    inputRequired,
    isLegacyRequest,
} = load('@modelcontextprotocol/server');

const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';
const codec = createRequestStateCodec({ key: 'the key of a server that is only there for tests' });
const { legacy, lists, ...where } = options({ legacy: 'sessions', lists: 'told' });
const listChanged = lists !== 'silent';
if (!['sessions', 'stateless', 'reject'].includes(legacy)) throw new Error(`--legacy ${legacy}?`);

class Everything extends McpServer {
    subscribed = new Set();

    /** The SDK compares arguments with headers by this schema. */
    toolInputSchemaJson(name) {
        return catalogue.tools.find(tool => tool.name === name)?.inputSchema;
    }

    /** Asks what is to be asked; gives the answers, or what the client is to ask. */
    async ask(name, args, ctx) {
        const { inputResponses, envelope, requestState } = ctx.mcpReq;
        const declared = envelope?.[CAPABILITIES] ?? this.server.getClientCapabilities();
        const before = requestState();
        if (before && before.name !== name) {
            throw new ProtocolError(-32602, 'requestState belongs to something else');
        }
        const { state, open } = progress(name, args, declared, before, inputResponses);
        if (!open) return { answers: state.answers };
        const withState = catalogue.withState.includes(name);
        return {
            required: inputRequired({
                inputRequests: open,
                ...(withState && { requestState: await codec.mint(state, ctx) }),
            }),
        };
    }

    async call({ params }, ctx) {
        const { name, arguments: args = {} } = params;
        const { id, signal, envelope, _meta } = ctx.mcpReq;
        const watched = {
            tool: name,
            args,
            id,
            era: envelope ? 'modern' : 'legacy',
            headers: Object.fromEntries(ctx.http?.req?.headers ?? []),
            signal,
        };
        return call(watched, async () => {
            const { answers, required } = await this.ask(name, args, ctx);
            if (required) return required;
            return perform(name, args, answers, {
                signal,
                tell,
                log: message => ctx.mcpReq.log('info', message, 'everything'),
                closeStream: () => ctx.http?.closeSSE?.(),
                unknown: message => new ProtocolError(-32602, message),
                progress: async (progress, total, message) => {
                    const { progressToken } = _meta ?? {};
                    if (progressToken === undefined) return;
                    const params = { progressToken, progress, total, message };
                    await ctx.mcpReq.notify({ method: 'notifications/progress', params });
                },
            });
        });
    }

    async prompt({ params }, ctx) {
        const { name, arguments: args = {} } = params;
        const { required } = await this.ask(name, args, ctx);
        if (required) return required;
        const messages = catalogue.messages[name];
        if (!messages) throw new ProtocolError(-32602, `Unknown prompt: ${name}`);
        return { messages: filled(messages, args) };
    }
}

function create() {
    const everything = new Everything(
        { name: 'everything-typescript', version: '2.4.0' },
        {
            capabilities: {
                completions: {},
                logging: {},
                prompts: { listChanged },
                resources: { listChanged, subscribe: true },
                tools: { listChanged },
            },
            instructions: catalogue.instructions,
            requestState: { verify: codec.verify },
        },
    );
    const { tools, resources, resourceTemplates, prompts } = catalogue;
    const handlers = {
        'tools/list': () => ({ tools }),
        'tools/call': (request, ctx) => everything.call(request, ctx),
        'resources/list': () => ({ resources }),
        'resources/templates/list': () => ({ resourceTemplates }),
        'resources/read': ({ params: { uri } }) => {
            const found = content(uri);
            if (!found) throw new ResourceNotFoundError(uri);
            return { contents: [found] };
        },
        'resources/subscribe': ({ params }) => (everything.subscribed.add(params.uri), {}),
        'resources/unsubscribe': ({ params }) => (everything.subscribed.delete(params.uri), {}),
        'prompts/list': () => ({ prompts }),
        'prompts/get': (request, ctx) => everything.prompt(request, ctx),
        'completion/complete': ({ params }) => ({ completion: { values: completions(params.argument) } }),
    };
    for (const [method, handler] of Object.entries(handlers)) {
        everything.server.setRequestHandler(method, async (request, ctx) => handler(request, ctx));
    }
    return everything;
}

const modern = createMcpHandler(create, { legacy: legacy === 'stateless' ? 'stateless' : 'reject' });
const sessions = new Sessions(WebStandardStreamableHTTPServerTransport, async transport => {
    const everything = create();
    await everything.connect(transport);
    return everything;
});

/** Tells of a change on all streams of subscriptions, and in all sessions. */
function tell({ what, uri }) {
    const { notify } = modern;
    ({
        tools: () => notify.toolsChanged(),
        prompts: () => notify.promptsChanged(),
        resources: () => notify.resourcesChanged(),
        resource: () => notify.resourceUpdated(uri),
    })[what]?.();
    for (const { server, subscribed } of sessions.servers()) {
        const told = {
            tools: () => server.sendToolListChanged(),
            prompts: () => server.sendPromptListChanged(),
            resources: () => server.sendResourceListChanged(),
            resource: async () => subscribed.has(uri) && server.sendResourceUpdated({ uri }),
        }[what]?.();
        told?.catch(() => {});
    }
}

serve(where, async (request, message) => {
    if (legacy === 'sessions' && (await isLegacyRequest(request, message))) {
        return sessions.handle(request, message);
    }
    return modern.fetch(request, message === undefined ? undefined : { parsedBody: message });
});
