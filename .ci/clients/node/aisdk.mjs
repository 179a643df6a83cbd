// Vercel's AI SDK: what its tools hand to a model.
import assert from "node:assert/strict";
import { createMCPClient } from "@ai-sdk/mcp";
import { Experimental_StdioMCPTransport as StdioTransport } from "@ai-sdk/mcp/mcp-stdio";

const { MCP_OPENAI_BINARY: command, MCP_OPENAI_URL: url } = process.env;
const stdio = new StdioTransport({ command, args: ["--sandbox"], env: process.env });
for (const transport of [stdio, { type: "http", url }]) {
  const client = await createMCPClient({ transport });
  const tools = await client.tools();
  assert.equal(Object.keys(tools).length, 5);
  const options = { toolCallId: "1", messages: [] };
  const answer = await tools["ask-openai"].execute({ query: "Hi" }, options);
  assert.match(JSON.stringify(answer), / · \$/);
  const made = await tools["create-image"].execute({ prompt: "a fox" }, options);
  const shown = tools["create-image"].toModelOutput
    ? await tools["create-image"].toModelOutput({ output: made, toolCallId: "1", input: {} })
    : made;
  assert.match(JSON.stringify(shown).slice(0, 4_000), /image:\/\//);
  const uri = /image:\/\/[^\s"\\]+/.exec(JSON.stringify(made))[0];
  const read = await client.readResource({ uri });
  assert.ok(read.contents[0].blob.length > 1_000);
  await client.close();
}
