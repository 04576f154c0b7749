// The TypeScript client 2.x. Read from standard input by Node, in the folder
// where it is installed; see ../run.rs.
//
// MCP_URL, MCP_TOKEN, MCP_MODE ("default", "auto" or "pinned").
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const { MCP_STEPS, MCP_URL, MCP_TOKEN, MCP_MODE } = process.env;
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

await run({
    client,
    call: (params, options) => client.callTool(params, options),
    connect: async () => {
        await client.connect(
            new StreamableHTTPClientTransport(new URL(MCP_URL), {
                requestInit: { headers: { Authorization: `Bearer ${MCP_TOKEN}` } },
            }),
        );
        return {
            revision: client.getNegotiatedProtocolVersion(),
            capabilities: client.getServerCapabilities(),
        };
    },
    close: () => client.close(),
});
