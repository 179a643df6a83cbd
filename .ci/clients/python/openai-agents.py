"""openai-agents: what an agent of OpenAI's own library hands to its model."""

import asyncio, json, os

from agents.mcp import MCPServerStdio, MCPServerStreamableHttp
from agents.mcp.util import MCPUtil

BINARY, URL = os.environ["MCP_OPENAI_BINARY"], os.environ["MCP_OPENAI_URL"]


async def main():
    stdio = MCPServerStdio({"command": BINARY, "args": ["--sandbox"], "env": dict(os.environ)}, client_session_timeout_seconds=60)
    for server in (stdio, MCPServerStreamableHttp({"url": URL}, client_session_timeout_seconds=60)):
        async with server:
            tools = await server.list_tools()
            functions = [MCPUtil.to_function_tool(tool, server, convert_schemas_to_strict=False) for tool in tools]
            assert len(functions) == 5
            ask = await MCPUtil.invoke_mcp_tool(server, tools[0], None, json.dumps({"query": "Hi"}))
            assert " · $" in str(ask), ask
            made = await MCPUtil.invoke_mcp_tool(server, tools[1], None, json.dumps({"prompt": "a fox"}))
            assert "image://" in str(made)[:2_000], str(made)[:2_000]
            assert "input_image" in str(made) or "image" in str(made)


asyncio.run(main())
