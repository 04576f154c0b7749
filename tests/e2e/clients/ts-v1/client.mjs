// The TypeScript SDK 1.x, as an application uses it. Read from standard input
// by Node, in the folder where the SDK is installed; see ../../clients.rs.
//
// MCP_URL, MCP_TOKEN, MCP_MODE (only "default") → one line of JSON.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const { MCP_URL, MCP_TOKEN, MCP_MODE } = process.env;
if (MCP_MODE !== 'default') throw new Error(`no such mode: ${MCP_MODE}`);

const client = new Client({ name: 'e2e-ts-v1', version: '1.0.0' });
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
    client: 'ts-v1',
    mode: MCP_MODE,
    protocolVersion: transport.protocolVersion,
    tools: tools.map(tool => tool.name),
    answer: result,
}));
await client.close();
