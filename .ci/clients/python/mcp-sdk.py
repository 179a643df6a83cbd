"""The official SDK, 1.x and 2.x: over stdio and over HTTP, what a program gets."""

import asyncio, base64, os, sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

try:
    from mcp.client.streamable_http import streamablehttp_client as http_client
except ImportError:
    from mcp.client.streamable_http import streamable_http_client as http_client

BINARY, URL = os.environ["MCP_OPENAI_BINARY"], os.environ["MCP_OPENAI_URL"]


def field(thing, *names):
    """1.x says `structuredContent`, 2.x `structured_content`."""
    return next(getattr(thing, name) for name in names if hasattr(thing, name))


async def use(session):
    await session.initialize()
    tools = (await session.list_tools()).tools
    assert [tool.name for tool in tools] == ["ask-openai", "create-image", "edit-image", "get-result", "list-models"]

    told = []

    async def progress(done, total, message):
        told.append(done)

    answer = await session.call_tool("ask-openai", {"query": "Hi"}, progress_callback=progress)
    assert not field(answer, "isError", "is_error"), answer
    assert field(answer, "structuredContent", "structured_content")["text"] == answer.content[0].text
    assert any(" · $" in block.text and block.text.endswith(" s") for block in answer.content if block.type == "text")
    assert told and told == sorted(set(told)), told

    made = await session.call_tool("create-image", {"prompt": "a fox", "quality": "low"})
    text, *rest = made.content
    lines = text.text.splitlines()
    assert lines[0].startswith("/") and "image://" in lines[0] and lines[-1].count(" · ") == 3, lines
    assert [block.type for block in rest if block.type not in ("text", "image")] == [], "links go to no unknown client"
    assert any(block.type == "image" for block in rest)
    uri = lines[0].rsplit(" ", 1)[1]
    from pydantic import AnyUrl

    try:
        read = await session.read_resource(uri)
    except (AttributeError, TypeError):
        read = await session.read_resource(AnyUrl(uri))
    assert base64.b64decode(read.contents[0].blob).startswith(b"\x89PNG"), "the original"

    failed = await session.call_tool("ask-openai", {"query": "Hi", "temperature": 9})
    assert field(failed, "isError", "is_error")
    error = field(failed, "structuredContent", "structured_content")["error"]
    assert error["code"] == "invalid_argument" and error["message"] == failed.content[0].text


async def main():
    parameters = StdioServerParameters(command=BINARY, args=["--sandbox"], env=dict(os.environ))
    async with stdio_client(parameters) as (read, write), ClientSession(read, write) as session:
        await use(session)
    async with http_client(URL) as streams, ClientSession(streams[0], streams[1]) as session:
        await use(session)


asyncio.run(main())
