"""The Python SDK 2.x; see ../run.rs and steps.mjs, which does the same.

MCP_URL, MCP_TOKEN, MCP_MODE ("default", "legacy" or "pinned"), MCP_TAG,
MCP_OBSERVED -> one line of JSON.
"""

import asyncio
import json
import os

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CreateMessageResult, ElicitResult, TextContent

PATIENCE = 20
TAG = os.environ["MCP_TAG"]
OPTIONS = {"default": {}, "legacy": {"mode": "legacy"}, "pinned": {"mode": "2026-07-28"}}


async def elicited(_context, _params):
    return ElicitResult(action="accept", content={"answer": "Ann"})


async def sampled(_context, _params):
    return CreateMessageResult(
        role="assistant", model="test", content=TextContent(type="text", text="Paris")
    )


def said(result):
    """What a tool says; an error when it says that it failed."""
    if result.is_error:
        raise RuntimeError(result.content[0].text)
    return result.content[0].text


async def running():
    """Waits until the backend is at work on the call to be cancelled."""
    async with httpx2.AsyncClient() as http:
        while True:
            calls = (await http.get(os.environ["MCP_OBSERVED"])).json()["calls"]
            if any((c["arguments"] or {}).get("tag") == TAG and c["state"] == "running" for c in calls):
                return
            await anyio.sleep(0.02)


class Steps:
    def __init__(self, client):
        self.client = client

    async def list(self):
        client = self.client
        return {
            "tools": len((await client.list_tools()).tools),
            "prompts": len((await client.list_prompts()).prompts),
            "resources": len((await client.list_resources()).resources),
            "templates": len((await client.list_resource_templates()).resource_templates),
        }

    async def call(self):
        return (await self.client.call_tool("echo", {"n": 42, "text": "é\u2028"})).structured_content

    async def progress(self):
        told = []

        async def hear(progress, _total, _message):
            told.append(progress)

        await self.client.call_tool(
            "count_progress", {"count": 3, "interval_ms": 100}, progress_callback=hear
        )
        return told

    async def elicitation(self):
        return said(await self.client.call_tool("ask", {"message": "Your name?"}))

    async def sampling(self):
        return said(await self.client.call_tool("ask_model", {"prompt": "Which capital?"}))

    async def cancel(self):
        answer = "rejected"
        async with anyio.create_task_group() as group:

            async def call():
                nonlocal answer
                await self.client.call_tool("slow_silent", {"ms": 60_000, "tag": TAG})
                answer = "answered"

            group.start_soon(call)
            await running()
            group.cancel_scope.cancel()
        return answer

    async def resource(self):
        return (await self.client.read_resource("test://static-text")).contents[0].text

    async def prompt(self):
        return (await self.client.get_prompt("test_simple_prompt")).messages[0].content.text


def shown(error):
    """An error in words; of a group, the first one in it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__


async def main():
    report = {}
    headers = {"Authorization": "Bearer " + os.environ["MCP_TOKEN"]}
    options = OPTIONS[os.environ["MCP_MODE"]]
    try:
        async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
            road = streamable_http_client(os.environ["MCP_URL"], http_client=http)
            callbacks = {"elicitation_callback": elicited, "sampling_callback": sampled}
            async with Client(road, **callbacks, **options) as client:
                capabilities = client.server_capabilities.model_dump(by_alias=True, exclude_none=True)
                report["connect"] = {
                    "ok": {"revision": client.protocol_version, "capabilities": capabilities}
                }
                steps = Steps(client)
                for name in ["list", "call", "progress", "elicitation", "sampling", "cancel", "resource", "prompt"]:
                    try:
                        with anyio.fail_after(PATIENCE):
                            report[name] = {"ok": await getattr(steps, name)()}
                    except TimeoutError:
                        report[name] = {"error": "hangs"}
                    except Exception as error:
                        report[name] = {"error": shown(error)}
    except Exception as error:
        report.setdefault("connect", {"error": shown(error)})
    print(json.dumps(report))


asyncio.run(main())
