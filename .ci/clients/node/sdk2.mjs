// The official SDK, 2.x, which speaks the modern revision.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { use } from "./use.mjs";

const { MCP_OPENAI_BINARY: command, MCP_OPENAI_URL: url } = process.env;
const stdio = new StdioClientTransport({ command, args: ["--sandbox"], env: process.env });
for (const transport of [stdio, new StreamableHTTPClientTransport(new URL(url))]) {
  const client = new Client({ name: "sdk2", version: "1" });
  await client.connect(transport);
  await use(client);
  await client.close();
}
