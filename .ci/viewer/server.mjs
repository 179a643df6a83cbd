// The real server over stdio, with the sandbox behind it: what the viewer shows in the test is what it gives.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export async function startServer() {
  const home = mkdtempSync(join(tmpdir(), "viewer-"));
  // A failure is final here, and may be tried again by whoever looks at it.
  const env = { PATH: process.env.PATH, HOME: home, MCP_OPENAI_IMAGES_DIR: join(home, "Pictures"), MCP_OPENAI_MAX_RETRIES: "0" };
  const child = spawn(process.env.MCP_OPENAI_BINARY, ["--sandbox", "--log-level", "error"], {
    env,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const waiting = new Map();
  let last = 0;
  createInterface({ input: child.stdout }).on("line", (line) => {
    const { id, result, error } = JSON.parse(line);
    const asked = waiting.get(id);
    waiting.delete(id);
    if (error) asked?.reject(new Error(error.message));
    else asked?.resolve(result);
  });
  const send = (message) => child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  const request = (method, params) =>
    new Promise((resolve, reject) => {
      const id = ++last;
      waiting.set(id, { resolve, reject });
      send({ id, method, params });
    });

  // A client that is handed links besides: the viewer has to cope with every part of a result.
  const clientInfo = { name: "Visual Studio Code", version: "1" };
  await request("initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo });
  send({ method: "notifications/initialized" });
  return {
    request,
    call: (name, input) => request("tools/call", { name, arguments: input }),
    stop: async () => {
      const ended = new Promise((resolve) => child.on("exit", resolve));
      child.stdin.end();
      await ended;
      rmSync(home, { recursive: true });
    },
  };
}
