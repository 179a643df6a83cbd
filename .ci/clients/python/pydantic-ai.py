"""pydantic-ai: what its toolset hands to a model."""

import asyncio, os

from pydantic_ai import Agent
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart

BINARY = os.environ["MCP_OPENAI_BINARY"]
seen = []


def model(messages, info):
    """Calls one tool after the other, and keeps what it is shown."""
    names = {tool.name for tool in info.function_tools}
    assert {"ask-openai", "create-image", "get-result"} <= names, names
    seen.append(messages[-1])
    calls = [("ask-openai", {"query": "Hi"}), ("create-image", {"prompt": "a fox"})]
    turn = sum(isinstance(message, ModelResponse) for message in messages)
    if turn < len(calls):
        return ModelResponse(parts=[ToolCallPart(*calls[turn])])
    return ModelResponse(parts=[TextPart("done")])


def toolset():
    try:
        from pydantic_ai.mcp import MCPServerStdio

        return MCPServerStdio(BINARY, args=["--sandbox"], env=dict(os.environ), timeout=30)
    except ImportError:
        from fastmcp.client.transports import StdioTransport
        from pydantic_ai.mcp import MCPToolset

        return MCPToolset(StdioTransport(BINARY, ["--sandbox"], env=dict(os.environ)))


async def main():
    agent = Agent(FunctionModel(model), toolsets=[toolset()])
    async with agent:
        result = await agent.run("draw")
    assert result.output == "done"
    answer, made = str(seen[1]), str(seen[2])
    assert "cost_usd" in answer or " · $" in answer, answer[:1_000]
    assert "image://" in made, made[:1_000]


asyncio.run(main())
