// The TypeScript client 2.x: over HTTP, and over stdio with a bridge that
// MCP_COMMAND names. Read from standard input by Node, in the folder where it
// is installed; see ../run.rs.
//
// MCP_URL and MCP_TOKEN, or MCP_COMMAND (a JSON array); MCP_MODE ("default", "auto" or "pinned").
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport, getDefaultEnvironment } from '@modelcontextprotocol/client/stdio';

const { MCP_STEPS, MCP_URL, MCP_TOKEN, MCP_MODE, MCP_COMMAND, MCP_HOME, SCOPEGATE_BIN } = process.env;
const { run, elicited, sampled } = await import(MCP_STEPS);

const negotiation = {
    default: {},
    auto: { versionNegotiation: { mode: 'auto' } },
    pinned: { versionNegotiation: { mode: { pin: '2026-07-28' } } },
}[MCP_MODE];
const capabilities = { elicitation: {}, sampling: {} };
const client = new Client({ name: 'clients-ts-v2', version: '1.0.0' }, { capabilities, ...negotiation });
client.setRequestHandler('elicitation/create', elicited);
client.setRequestHandler('sampling/createMessage', sampled);

function transport() {
    if (!MCP_COMMAND) {
        return new StreamableHTTPClientTransport(new URL(MCP_URL), {
            requestInit: { headers: { Authorization: `Bearer ${MCP_TOKEN}` } },
        });
    }
    const [command, ...args] = JSON.parse(MCP_COMMAND);
    const env = { ...getDefaultEnvironment(), HOME: MCP_HOME, SCOPEGATE_TOKEN: MCP_TOKEN, SCOPEGATE_BIN };
    return new StdioClientTransport({ command, args, env, stderr: 'inherit' });
}

await run({
    client,
    call: (params, options) => client.callTool(params, options),
    connect: async () => {
        await client.connect(transport());
        return {
            revision: client.getNegotiatedProtocolVersion(),
            capabilities: client.getServerCapabilities(),
        };
    },
    close: () => client.close(),
});
