// The TypeScript SDK 1.x with a server that it starts itself, as an
// application uses it; see ../../../bridge/clients.rs.
//
// MCP_COMMAND (a JSON array), MCP_ENV (a JSON object), MCP_MODE (only
// "default") → one line of JSON.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport, getDefaultEnvironment } from '@modelcontextprotocol/sdk/client/stdio.js';

const { MCP_COMMAND, MCP_ENV, MCP_MODE } = process.env;
if (MCP_MODE !== 'default') throw new Error(`no such mode: ${MCP_MODE}`);

const [command, ...args] = JSON.parse(MCP_COMMAND);
const env = { ...getDefaultEnvironment(), ...JSON.parse(MCP_ENV) };
const client = new Client({ name: 'e2e-ts-v1-stdio', version: '1.0.0' });
await client.connect(new StdioClientTransport({ command, args, env, stderr: 'inherit' }));
const { tools } = await client.listTools();
const add = n => client.callTool({
    name: 'exact_calculate',
    arguments: { operator: 'add', operands: ['1', `${n}`] },
});
const answers = await Promise.all([...Array(20).keys()].map(add));
const refusal = await client.callTool({ name: 'no_such_tool', arguments: {} }).catch(error => error);
console.log(JSON.stringify({
    tools: tools.map(tool => tool.name),
    sums: answers.map(answer => answer.structuredContent.result),
    refusal: refusal.code,
}));
await client.close();
