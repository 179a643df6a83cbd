// The official SDK, 2.x, in both eras: it speaks the legacy one unless it is asked for the other.
import assert from "node:assert/strict";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { use } from "./use.mjs";

const { MCP_OPENAI_BINARY: command, MCP_OPENAI_URL: url } = process.env;
for (const [mode, revision] of [["legacy", "2025-11-25"], ["auto", "2026-07-28"]]) {
  const stdio = new StdioClientTransport({ command, args: ["--sandbox"], env: process.env });
  for (const transport of [stdio, new StreamableHTTPClientTransport(new URL(url))]) {
    const client = new Client({ name: "sdk2", version: "1" }, { versionNegotiation: { mode } });
    await client.connect(transport);
    assert.equal(client.getNegotiatedProtocolVersion(), revision);
    await use(client);
    await client.close();
  }
}
