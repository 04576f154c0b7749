// The TypeScript SDK 1.x: over HTTP, and over stdio with a bridge that
// MCP_COMMAND names. Read from standard input by Node, in the folder where the
// SDK is installed; see ../run.rs.
//
// MCP_URL and MCP_TOKEN, or MCP_COMMAND (a JSON array).
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport, getDefaultEnvironment } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CreateMessageRequestSchema, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';

const { MCP_STEPS, MCP_URL, MCP_TOKEN, MCP_COMMAND, MCP_HOME, SCOPEGATE_BIN } = process.env;
const { run, elicited, sampled } = await import(MCP_STEPS);

const capabilities = { elicitation: {}, sampling: {} };
const client = new Client({ name: 'clients-ts-v1', version: '1.0.0' }, { capabilities });
client.setRequestHandler(ElicitRequestSchema, elicited);
client.setRequestHandler(CreateMessageRequestSchema, sampled);

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
    call: (params, options) => client.callTool(params, undefined, options),
    connect: async () => {
        const road = transport();
        await client.connect(road);
        return {
            revision: road.protocolVersion ?? null,
            capabilities: client.getServerCapabilities(),
        };
    },
    close: () => client.close(),
});
