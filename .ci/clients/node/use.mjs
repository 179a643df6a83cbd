// One session, whatever the client: list, ask, paint, read, be refused.
import assert from "node:assert/strict";

export async function use(client) {
  const { tools } = await client.listTools();
  assert.deepEqual(
    tools.map((tool) => tool.name),
    ["ask-openai", "create-image", "edit-image", "get-result", "list-models"],
  );
  const answer = await client.callTool({ name: "ask-openai", arguments: { query: "Hi" } });
  assert.equal(answer.structuredContent.text, answer.content[0].text);
  assert.match(answer.content[1].text, / · \$[\d.]+ · [\d.]+ s$/);

  const made = await client.callTool({ name: "create-image", arguments: { prompt: "a fox" } });
  const [text, ...rest] = made.content;
  const uri = /image:\/\/\S+/.exec(text.text)[0];
  assert.ok(rest.some((block) => block.type === "image"));
  assert.ok(!rest.some((block) => block.type === "resource_link"));
  const read = await client.readResource({ uri });
  assert.ok(Buffer.from(read.contents[0].blob, "base64").subarray(1, 4).equals(Buffer.from("PNG")));

  const failed = await client.callTool({ name: "ask-openai", arguments: { query: "Hi", temperature: 9 } });
  assert.equal(failed.isError, true);
  assert.equal(failed.structuredContent.error.message, failed.content[0].text);
}
