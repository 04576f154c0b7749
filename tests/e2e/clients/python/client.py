"""The Python SDK 2.x, as an application uses it; see ../../clients.rs.

MCP_URL, MCP_TOKEN, MCP_MODE ("default" or "legacy") -> one line of JSON.
"""

import asyncio
import json
import os

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

MODE = os.environ["MCP_MODE"]
OPTIONS = {"default": {}, "legacy": {"mode": "legacy"}}[MODE]


async def main():
    headers = {"Authorization": "Bearer " + os.environ["MCP_TOKEN"]}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        transport = streamable_http_client(os.environ["MCP_URL"], http_client=http)
        async with Client(transport, **OPTIONS) as client:
            tools = (await client.list_tools()).tools
            result = await client.call_tool(
                "exact_calculate", {"operator": "add", "operands": ["1.2", "2.3"]}
            )
            print(json.dumps({
                "client": "python",
                "mode": MODE,
                "protocolVersion": client.protocol_version,
                "tools": [tool.name for tool in tools],
                "answer": result.model_dump(mode="json", by_alias=True, exclude_none=True),
            }))


asyncio.run(main())
