"""langchain-mcp-adapters: what a LangChain agent hands to its model. A link must not become an `image_url`."""

import asyncio, os

from langchain_mcp_adapters.client import MultiServerMCPClient

BINARY, URL = os.environ["MCP_OPENAI_BINARY"], os.environ["MCP_OPENAI_URL"]


async def main():
    stdio = {"transport": "stdio", "command": BINARY, "args": ["--sandbox"], "env": dict(os.environ)}
    http = {"transport": "streamable_http", "url": URL}
    for name, connection in {"stdio": stdio, "http": http}.items():
        client = MultiServerMCPClient({name: connection})
        tools = {tool.name: tool for tool in await client.get_tools()}
        assert len(tools) == 5
        answer = await tools["ask-openai"].ainvoke({"query": "Hi"})
        assert "Hi" in str(answer) or answer, answer
        call = {"type": "tool_call", "id": "1", "name": "create-image", "args": {"prompt": "a fox"}}
        message = await tools["create-image"].ainvoke(call)
        blocks = message.content if isinstance(message.content, list) else [message.content]
        for block in blocks:
            text = str(block)
            assert "'url': 'image://" not in text, f"a model's API cannot open {text[:300]}"
        assert "image://" in str(blocks), "the URI stands in the text"
        (blob,) = await client.get_resources(name, uris=str(blocks).split("image://")[1].split()[0].join(["image://", ""]).split("\\n")[0])
        assert blob.as_bytes().startswith(b"\x89PNG")


asyncio.run(main())
