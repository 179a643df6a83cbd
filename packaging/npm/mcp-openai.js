#!/usr/bin/env node
// Finds the binary of this system and becomes it, as far as Node lets it: the same stdio, signals and exit code.
"use strict";

const { spawn } = require("node:child_process");
const { constants } = require("node:os");

const system = process.platform === "darwin" ? "darwin" : `${process.platform}-${process.arch}`;
const program = process.platform === "win32" ? "mcp-openai.exe" : "mcp-openai";

let binary;
try {
  binary = require.resolve(`mcp-openai-${system}/${program}`);
} catch {
  console.error(
    `mcp-openai: there is no binary for ${system} here. It comes as an optional dependency: install again without ` +
      "`--omit=optional`, or see https://github.com/mcp-openai/mcp-openai for other ways.",
  );
  process.exit(1);
}

const child = spawn(binary, process.argv.slice(2), { stdio: "inherit" });
// A terminal sends Ctrl-C to both processes. Sent on as well, it would be the second signal, at which a server ends without
// its drain; on Windows, `kill` ends the program at once whatever the signal.
const terminal = process.stdin.isTTY || process.stdout.isTTY;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    if (signal !== "SIGINT" || !terminal) child.kill(signal);
  });
}
child.on("error", (error) => {
  console.error(`mcp-openai: ${binary} cannot be started: ${error.message}`);
  process.exit(1);
});
child.on("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
