"""fastmcp's client: its own handshake, its own reading of structured content."""

import asyncio, base64, os

from fastmcp import Client
from fastmcp.client.transports import StdioTransport

BINARY = os.environ["MCP_OPENAI_BINARY"]


async def main():
    async with Client(StdioTransport(BINARY, ["--sandbox"], env=dict(os.environ))) as client:
        assert len(await client.list_tools()) == 5
        answer = await client.call_tool("ask-openai", {"query": "Hi"})
        assert answer.structured_content["text"] == answer.content[0].text
        made = await client.call_tool("create-image", {"prompt": "a fox"})
        uri = made.structured_content["images"][0]["uri"]
        assert uri in made.content[0].text
        read = await client.read_resource(uri)
        assert base64.b64decode(read[0].blob).startswith(b"\x89PNG")


asyncio.run(main())
