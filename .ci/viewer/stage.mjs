// One viewer in one host: opens the page, answers for the host, and watches that nothing leaves it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const HOST = readFileSync(new URL("host.html", import.meta.url), "utf8");

/** What hosts set for a page that declares no origin. */
const POLICY =
  "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; " +
  "img-src 'self' data:; media-src 'self' data:; connect-src 'none'; frame-src 'none'; object-src 'none'";

/** All that a host may be able to do. */
export const EVERYTHING = { serverTools: {}, serverResources: {}, message: {}, downloadFile: {} };

export async function stage(browser, html, { can = {}, context = {}, serve = {}, width = 720, sandbox = "allow-scripts", allow = "" } = {}) {
  const page = await browser.newPage({
    // Higher than any page of the tests: what lies beyond it is white in some screenshots.
    viewport: { width, height: 2000 },
    colorScheme: "light",
    reducedMotion: "reduce",
    deviceScaleFactor: 2,
  });
  page.setDefaultTimeout(10_000);
  const faults = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && faults.push(message.text()));
  page.on("pageerror", (error) => faults.push(error.message));
  await page.route("**/*", (route) => {
    const url = route.request().url();
    if (url === "https://host.test/") return route.fulfill({ contentType: "text/html", body: HOST });
    if (url === "https://viewer.test/") {
      const headers = { "content-type": "text/html", "content-security-policy": POLICY };
      return route.fulfill({ headers, body: html });
    }
    faults.push(`a request to ${url.slice(0, 100)}`);
    return route.abort();
  });

  const asked = [];
  const answers = {
    "ui/initialize": () => ({
      protocolVersion: "2026-01-26",
      hostInfo: { name: "host.test", version: "1" },
      hostCapabilities: can,
      hostContext: context,
    }),
    "ui/message": () => ({}),
    "ui/download-file": () => ({}),
    ...serve,
  };
  await page.exposeFunction("serve", async (method, params) => {
    asked.push({ method, params });
    try {
      assert.ok(answers[method], `the host was asked for ${method}, which it cannot do`);
      return { result: await answers[method](params) };
    } catch (error) {
      if (error instanceof assert.AssertionError) faults.push(error.message);
      return { error: { code: -32000, message: error.message } };
    }
  });
  await page.goto("https://host.test/");
  await page.evaluate(([sandbox, allow]) => show(sandbox, allow), [sandbox, allow]);
  const begun = page.waitForFunction(() => sent.some(({ method }) => method === "ui/notifications/initialized"));
  await begun.catch((error) => assert.fail(faults.join("\n") || error.message));

  const notify = (name, params) =>
    page.evaluate(([name, params]) => notify(`ui/notifications/${name}`, params), [name, params]);
  return {
    page,
    asked,
    view: page.frameLocator("iframe"),
    notify,
    input: (input) => notify("tool-input", { arguments: input }),
    result: (result) => notify("tool-result", result),
    request: (method, params = {}) => page.evaluate(([method, params]) => request(method, params), [method, params]),
    sent: () => page.evaluate(() => sent),
    /** What the viewer asked of the host, by method. */
    of: (method) => asked.filter((each) => each.method === method).map(({ params }) => params),
    /** Nothing was said to the console but what is expected there, and nothing was asked of the network. */
    close: async (expected = /^$/) => {
      assert.deepEqual(faults.filter((fault) => !expected.test(fault)), []);
      await page.close();
    },
  };
}
