"""google-genai: its conversion of our schemas, which fails on a boolean `additionalProperties`."""

import asyncio, os

from google.genai import _mcp_utils, types
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

BINARY = os.environ["MCP_OPENAI_BINARY"]


async def main():
    parameters = StdioServerParameters(command=BINARY, args=["--sandbox"], env=dict(os.environ))
    async with stdio_client(parameters) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        tools = (await session.list_tools()).tools
        declared = _mcp_utils.mcp_to_gemini_tools(tools)
        names = [function.name for tool in declared for function in tool.function_declarations]
        assert names == [tool.name for tool in tools], names
        for tool in tools:
            types.Schema.model_validate(_mcp_utils._filter_to_supported_schema(tool.inputSchema))
        # Its models are told to fill in what Gemini CLI adds.
        answer = await session.call_tool("ask-openai", {"query": "Hi", "wait_for_previous": True})
        assert not answer.isError, answer
        made = await session.call_tool("create-image", {"prompt": "a fox", "n": 1.0, "style": ""})
        assert not made.isError, made


asyncio.run(main())
