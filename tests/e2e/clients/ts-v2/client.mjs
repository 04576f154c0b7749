// The TypeScript client 2.x, as an application uses it. Read from standard
// input by Node, in the folder where it is installed; see ../../clients.rs.
//
// MCP_URL, MCP_TOKEN, MCP_MODE ("default" or "auto") → one line of JSON.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const { MCP_URL, MCP_TOKEN, MCP_MODE } = process.env;
const options = { default: {}, auto: { versionNegotiation: { mode: 'auto' } } }[MCP_MODE];
if (!options) throw new Error(`no such mode: ${MCP_MODE}`);

const client = new Client({ name: 'e2e-ts-v2', version: '1.0.0' }, options);
const transport = new StreamableHTTPClientTransport(new URL(MCP_URL), {
    requestInit: { headers: { Authorization: `Bearer ${MCP_TOKEN}` } },
});
await client.connect(transport);
const { tools } = await client.listTools();
const result = await client.callTool({
    name: 'exact_calculate',
    arguments: { operator: 'add', operands: ['1.2', '2.3'] },
});
console.log(JSON.stringify({
    client: 'ts-v2',
    mode: MCP_MODE,
    protocolVersion: client.getNegotiatedProtocolVersion(),
    tools: tools.map(tool => tool.name),
    answer: result,
}));
await client.close();
