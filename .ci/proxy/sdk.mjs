// The official SDK through the proxy: `sdk.mjs 1` with its first major, `sdk.mjs legacy|modern` with its second.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const { MCP_OPENAI_URL, MCP_OPENAI_TOKEN, MCP_OPENAI_ADMINS, SILENT_MODEL, STALLED_MODEL, BIG_PICTURE } = process.env;
const era = process.argv[2];
// An abandoned call is given to whoever asks the same again.
const who = `${era}, ${process.pid}`;
const { Client } = await import(era === "1" ? "@modelcontextprotocol/sdk/client/index.js" : "@modelcontextprotocol/client");
const { StreamableHTTPClientTransport } = await import(
  era === "1" ? "@modelcontextprotocol/sdk/client/streamableHttp.js" : "@modelcontextprotocol/client"
);
const mode = era === "modern" ? { pin: "2026-07-28" } : "legacy";
const client = new Client({ name: `sdk-${era}`, version: "1" }, { capabilities: {}, versionNegotiation: { mode } });
const requestInit = { headers: { Authorization: `Bearer ${MCP_OPENAI_TOKEN}` } };
await client.connect(new StreamableHTTPClientTransport(new URL(MCP_OPENAI_URL), { requestInit }));

async function call(tool, args, options) {
  const request = { name: tool, arguments: args };
  const answer = await (era === "1" ? client.callTool(request, undefined, options) : client.callTool(request, options));
  assert.ok(!answer.isError, JSON.stringify(answer.content));
  return answer;
}

async function streamed() {
  const told = [];
  await call("ask-openai", { query: `Hi [slow] ${who}` }, { onprogress: () => told.push(performance.now()) });
  assert.ok(told.length > 5 && told.at(-1) - told[0] > 1_000, "progress comes while the answer is written");
}

async function silent() {
  const since = performance.now();
  await call("ask-openai", { query: `Hi ${who}`, model: SILENT_MODEL });
  assert.ok(performance.now() - since > 25_000);
}

async function pictures() {
  await call("create-image", { prompt: "a fox", quality: "low" });
  const images = [`data:image/png;base64,${readFileSync(BIG_PICTURE).toString("base64")}`];
  const edited = await call("edit-image", { prompt: "a hat", images, quality: "low" });
  const { contents } = await client.readResource({ uri: edited.structuredContent.images[0].uri });
  assert.ok(Buffer.from(contents[0].blob, "base64").subarray(1, 4).equals(Buffer.from("PNG")));
}

// Its request to the upstream ends with it: the replicas count a cancelled call.
async function cancelled() {
  const count = async () => {
    const pages = MCP_OPENAI_ADMINS.split(" ").map(async (url) => (await fetch(`${url}/metrics`)).text());
    const lines = (await Promise.all(pages)).flatMap((page) => page.split("\n"));
    const calls = lines.filter((line) => line.startsWith("mcp_openai_calls_total{") && line.includes('code="cancelled"'));
    return calls.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  };
  const before = await count();
  const aborting = new AbortController();
  const stalled = call("ask-openai", { query: `Hi ${who}`, model: STALLED_MODEL }, { signal: aborting.signal });
  setTimeout(() => aborting.abort("no longer wanted"), 1_000);
  await assert.rejects(stalled);
  const since = performance.now();
  while ((await count()) === before) assert.ok(performance.now() - since < 5_000, "the call goes on");
}

const { tools } = await client.listTools();
assert.ok(tools.some((tool) => tool.name === "ask-openai"));
await call("ask-openai", { query: `Hello ${who}` });
await cancelled();
await Promise.all([streamed(), silent(), pictures()]);
await client.close();
