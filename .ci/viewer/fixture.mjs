// Shared by the viewer's tests: the server, the browser, and results to show.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after } from "node:test";

import { startServer } from "./server.mjs";
import { stage } from "./stage.mjs";

const { chromium } = createRequire(new URL("../../target/ci/node/", import.meta.url))("playwright-core");

export const LIGHTHOUSE = {
  prompt:
    "A white lighthouse on a red cliff at dusk, the sea calm and violet, one lit window, painted in gouache with visible brush strokes",
  size: "1024x1024",
  quality: "high",
  name: "lighthouse",
};

const server = await startServer();
// As root, as in a container, Chromium starts only without its sandbox.
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });

after(async () => {
  await browser.close();
  await server.stop();
});

const { contents } = await server.request("resources/read", { uri: "ui://mcp-openai/viewer" });

export const here = {
  server,
  html: contents[0].text,
  one: await server.call("create-image", LIGHTHOUSE),
  four: await server.call("create-image", { ...LIGHTHOUSE, n: 4, size: "1536x1024" }),
};

/** Leaves a picture of the page where the caller asked for some. */
export async function picture({ page }, name) {
  if (!process.env.SCREENSHOTS) return;
  mkdirSync(process.env.SCREENSHOTS, { recursive: true });
  await page.locator("iframe").screenshot({ path: join(process.env.SCREENSHOTS, `${name}.png`) });
}

/** A host that hands the viewer's requests on to the real server. */
export const relay = {
  "resources/read": (params) => server.request("resources/read", params),
  "tools/call": (params) => server.request("tools/call", params),
};

export const open = (options) => stage(browser, here.html, options);

export async function shown(input, result, options) {
  const opened = await open(options);
  await opened.input(input);
  await opened.result(result);
  await settled(opened);
  return opened;
}

/** Until what the host said is drawn, and the frame is as high as the page: a press while it grows goes astray. */
export async function settled({ page, request, view }) {
  await request("ping");
  await eventually(async () => {
    const wanted = await view.locator("body").evaluate((body) => Math.ceil(body.offsetHeight));
    assert.equal(await page.locator("iframe").evaluate(({ clientHeight }) => clientHeight), wanted);
  });
}

export const without = (result, ...types) => ({ ...result, content: result.content.filter(({ type }) => !types.includes(type)) });

// A press takes effect in the frame's own process: what follows from it is waited for, never looked at once.
export const opens = (opened) => opened.view.locator("dialog[open]").waitFor().then(() => settled(opened));
export const closes = ({ view }) => view.locator("dialog[open]").waitFor({ state: "detached" });
export const counts = (locator, count, why) => eventually(async () => assert.equal(await locator.count(), count, why));

/** What is wider than the page, by its markup. */
export const overflowing = ({ view }) =>
  view.locator(":root").evaluate((root) => {
    if (root.scrollWidth === root.clientWidth) return [];
    const wide = (element) => element.getBoundingClientRect().right > root.clientWidth;
    return [...root.querySelectorAll("*")].filter(wide).map((element) => element.outerHTML.slice(0, 200));
  });

/** Until it holds; the last failure tells why it never did. */
export async function eventually(check) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await check();
    } catch (error) {
      if (tries === 300) throw error;
      await new Promise((later) => setTimeout(later, 50));
    }
  }
}
