"""The official SDK through the proxy: `sdk.py 1` with its first major, `sdk.py legacy|modern` with its second."""

import asyncio, base64, contextlib, os, sys, time

URL, SILENT, BIG = (os.environ[name] for name in ("MCP_OPENAI_URL", "SILENT_MODEL", "BIG_PICTURE"))
HEADERS = {"Authorization": f"Bearer {os.environ['MCP_OPENAI_TOKEN']}"}
# An abandoned call is given to whoever asks the same again.
WHO = f"{sys.argv[1]}, {os.getpid()}"


def field(thing, *names):
    """1.x says `structuredContent`, 2.x `structured_content`."""
    return next(getattr(thing, name) for name in names if hasattr(thing, name))


@contextlib.asynccontextmanager
async def connected(era):
    if era == "1":
        from mcp import ClientSession
        from mcp.client.streamable_http import streamablehttp_client

        async with streamablehttp_client(URL, headers=HEADERS) as streams, ClientSession(*streams[:2]) as session:
            await session.initialize()
            yield session
    else:
        import httpx2
        from mcp import Client
        from mcp.client.streamable_http import streamable_http_client

        mode = "legacy" if era == "legacy" else "2026-07-28"
        async with httpx2.AsyncClient(headers=HEADERS, timeout=120) as http:
            async with Client(streamable_http_client(URL, http_client=http), mode=mode) as client:
                yield client


def passed(answer):
    assert not field(answer, "isError", "is_error"), answer
    return field(answer, "structuredContent", "structured_content")


async def streamed(client):
    told = []

    async def progress(done, total, message):
        told.append(time.monotonic())

    passed(await client.call_tool("ask-openai", {"query": f"Hi [slow] {WHO}"}, progress_callback=progress))
    assert len(told) > 5 and told[-1] - told[0] > 1, "progress comes while the answer is written, not all at its end"


async def silent(client):
    since = time.monotonic()
    passed(await client.call_tool("ask-openai", {"query": f"Hi {WHO}", "model": SILENT}))
    assert time.monotonic() - since > 25


async def pictures(client):
    passed(await client.call_tool("create-image", {"prompt": "a fox", "quality": "low"}))
    big = "data:image/png;base64," + base64.b64encode(open(BIG, "rb").read()).decode()
    edited = await client.call_tool("edit-image", {"prompt": "a hat", "images": [big], "quality": "low"})
    uri = passed(edited)["images"][0]["uri"]
    try:
        read = await client.read_resource(uri)
    except (AttributeError, TypeError):
        from pydantic import AnyUrl

        read = await client.read_resource(AnyUrl(uri))
    assert base64.b64decode(read.contents[0].blob).startswith(b"\x89PNG"), "the original, from whichever replica"


async def main():
    async with connected(sys.argv[1]) as client:
        assert "ask-openai" in [tool.name for tool in (await client.list_tools()).tools]
        passed(await client.call_tool("ask-openai", {"query": f"Hello {WHO}"}))
        await asyncio.gather(streamed(client), silent(client), pictures(client))


asyncio.run(main())
