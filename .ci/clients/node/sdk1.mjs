// The official SDK, 1.x: most hosts of today are built on it.
import assert from "node:assert/strict";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { use } from "./use.mjs";

const { MCP_OPENAI_BINARY: command, MCP_OPENAI_URL: url } = process.env;
const stdio = new StdioClientTransport({ command, args: ["--sandbox"], env: process.env });
for (const transport of [stdio, new StreamableHTTPClientTransport(new URL(url))]) {
  const client = new Client({ name: "sdk1", version: "1" }, { capabilities: {} });
  await client.connect(transport);
  assert.equal(client.getServerCapabilities().extensions?.["io.modelcontextprotocol/tasks"], undefined);
  await use(client);
  await client.close();
}
