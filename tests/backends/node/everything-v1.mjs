// An MCP server on the official TypeScript SDK 1.x, which knows revisions up to
// 2025-11-25 only, with sessions. It offers what the one on 2.x does.
import { call } from './observed.mjs';
import { catalogue, completions, content, filled } from './catalogue.mjs';
import { load } from './packages.mjs';
import { options } from './options.mjs';
import { perform } from './tools.mjs';
import { askable, capability, rounds } from './questions.mjs';
import { serve } from './front.mjs';
import { Sessions } from './sessions.mjs';

const { Server } = load('@modelcontextprotocol/sdk/server/index.js');
const { WebStandardStreamableHTTPServerTransport } = load(
    '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js',
);
const types = load('@modelcontextprotocol/sdk/types.js');

const ANSWERS = {
    elicitation: types.ElicitResultSchema,
    roots: types.ListRootsResultSchema,
    sampling: types.CreateMessageResultSchema,
};

class Everything extends Server {
    subscribed = new Set();
    level = 'debug';

    /** Asks what is to be asked, one question after the other. */
    async ask(name, args, extra) {
        const answers = {};
        for (const round of rounds(name, args)) {
            const declared = this.getClientCapabilities();
            for (const [key, question] of Object.entries(askable(round, declared))) {
                const needed = capability(question);
                if (!declared?.[needed]) throw new Error(`The client does not support ${needed}.`);
                answers[key] = await extra.sendRequest(question, ANSWERS[needed]);
            }
        }
        return answers;
    }

    async call({ params }, extra) {
        const { name, arguments: args = {}, _meta } = params;
        const { signal, requestId, requestInfo } = extra;
        const headers = requestInfo?.headers ?? {};
        return call({ tool: name, args, id: requestId, era: 'legacy', headers, signal }, async () => {
            const answers = await this.ask(name, args, extra);
            return perform(name, args, answers, {
                signal,
                tell,
                log: async data => {
                    if (!['debug', 'info'].includes(this.level)) return;
                    const params = { level: 'info', logger: 'everything', data };
                    await extra.sendNotification({ method: 'notifications/message', params });
                },
                closeStream: () => extra.closeSSEStream?.(),
                unknown: message => new types.McpError(-32602, message),
                progress: async (progress, total, message) => {
                    const { progressToken } = _meta ?? {};
                    if (progressToken === undefined) return;
                    const params = { progressToken, progress, total, message };
                    await extra.sendNotification({ method: 'notifications/progress', params });
                },
            });
        });
    }

    async prompt({ params }, extra) {
        const { name, arguments: args = {} } = params;
        await this.ask(name, args, extra);
        const messages = catalogue.messages[name];
        if (!messages) throw new types.McpError(-32602, `Unknown prompt: ${name}`);
        return { messages: filled(messages, args) };
    }
}

function create() {
    const everything = new Everything(
        { name: 'everything-typescript', version: '1.32.2' },
        {
            capabilities: {
                completions: {},
                logging: {},
                prompts: { listChanged: true },
                resources: { listChanged: true, subscribe: true },
                tools: { listChanged: true },
            },
            instructions: catalogue.instructions,
        },
    );
    const { tools, resources, resourceTemplates, prompts } = catalogue;
    const on = (schema, handler) =>
        everything.setRequestHandler(schema, async (request, extra) => handler(request, extra));
    on(types.ListToolsRequestSchema, () => ({ tools }));
    on(types.CallToolRequestSchema, (request, extra) => everything.call(request, extra));
    on(types.ListResourcesRequestSchema, () => ({ resources }));
    on(types.ListResourceTemplatesRequestSchema, () => ({ resourceTemplates }));
    on(types.ReadResourceRequestSchema, ({ params: { uri } }) => {
        const found = content(uri);
        if (!found) throw new types.McpError(-32002, 'Resource not found', { uri });
        return { contents: [found] };
    });
    on(types.SubscribeRequestSchema, ({ params }) => (everything.subscribed.add(params.uri), {}));
    on(types.UnsubscribeRequestSchema, ({ params }) => (everything.subscribed.delete(params.uri), {}));
    on(types.ListPromptsRequestSchema, () => ({ prompts }));
    on(types.GetPromptRequestSchema, (request, extra) => everything.prompt(request, extra));
    on(types.CompleteRequestSchema, ({ params }) => ({ completion: { values: completions(params.argument) } }));
    on(types.SetLevelRequestSchema, ({ params }) => ((everything.level = params.level), {}));
    return everything;
}

const sessions = new Sessions(WebStandardStreamableHTTPServerTransport, async transport => {
    const everything = create();
    await everything.connect(transport);
    return everything;
});

/** Tells of a change in all sessions. */
function tell({ what, uri }) {
    for (const server of sessions.servers()) {
        const told = {
            tools: () => server.sendToolListChanged(),
            prompts: () => server.sendPromptListChanged(),
            resources: () => server.sendResourceListChanged(),
            resource: async () => server.subscribed.has(uri) && server.sendResourceUpdated({ uri }),
        }[what]?.();
        told?.catch(() => {});
    }
}

serve(options(), (request, message) => sessions.handle(request, message));
