// The viewer as people meet it: real results in a real browser, in hosts that can much and hosts that can nothing.

import assert from "node:assert/strict";
import { test } from "node:test";

import { LIGHTHOUSE, closes, counts, eventually, here, open, opens, overflowing, picture, relay, shown, without } from "./fixture.mjs";
import { EVERYTHING } from "./stage.mjs";

const { server, html, one, four } = here;

test("one picture: prompt, facts, path and what can be done with it", async () => {
  const opened = await shown(LIGHTHOUSE, one, { can: EVERYTHING, serve: relay });
  const { view } = opened;
  const [image] = one.structuredContent.images;
  await view.getByText(LIGHTHOUSE.prompt, { exact: true }).first().waitFor();
  await view.getByText(image.path).waitFor();
  await view.getByText(`${one.structuredContent.model}`).waitFor();
  await view.getByText("1024 × 1024").waitFor();
  await view.getByText("high quality").waitFor();
  const seen = view.locator("main img");
  await counts(seen, 1);
  assert.ok((await seen.getAttribute("alt")).includes("lighthouse"));
  await eventually(async () => assert.ok(await seen.evaluate((img) => img.complete && img.naturalWidth > 0)));
  for (const name of ["Edit this one", "More like this", "Download"]) await view.getByRole("button", { name }).waitFor();
  await picture(opened, "light");
  await opened.close();
});

test("four pictures: a grid, and each in full with the keyboard alone", async () => {
  const opened = await shown({ ...LIGHTHOUSE, n: 4, size: "1536x1024" }, four, { can: EVERYTHING, serve: relay });
  const { view, page } = opened;
  await counts(view.locator("main img"), 4);
  const boxes = await Promise.all((await view.locator("figure").all()).map((tile) => tile.boundingBox()));
  assert.ok(boxes[0].x + boxes[0].width <= boxes[1].x, "the tiles stand beside each other");
  const images = await Promise.all((await view.locator("main img").all()).map((image) => image.boundingBox()));
  assert.deepEqual(images.map(({ width }) => Math.round(width)), boxes.map(({ width }) => Math.round(width)));
  await picture(opened, "grid");

  await page.keyboard.press("Tab");
  const first = view.getByRole("button", { name: /Enlarge. Picture 1 of 4/ });
  await first.focus();
  await page.keyboard.press("Enter");
  await opens(opened);
  await view.getByText("1 of 4", { exact: true }).waitFor();
  await page.keyboard.press("ArrowRight");
  await view.getByText("2 of 4", { exact: true }).waitFor();
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("ArrowLeft");
  await view.getByText("4 of 4", { exact: true }).waitFor();
  await view.locator("dialog").getByText("Original", { exact: true }).waitFor();
  const width = await view.locator("dialog img").evaluate((img) => img.decode().then(() => img.naturalWidth));
  assert.equal(width, four.structuredContent.images[3].width, "the original is shown, not its preview");
  await picture(opened, "enlarged");

  await view.getByRole("button", { name: "Next picture" }).focus();
  await page.keyboard.press("Enter");
  await view.getByText("1 of 4", { exact: true }).waitFor();
  await eventually(async () => assert.equal(await view.locator(":focus").getAttribute("aria-label"), "Next picture"));
  for (let presses = 0; presses < 12; presses += 1) {
    await page.keyboard.press("Tab");
    await counts(view.locator("dialog :focus"), 1, "the focus stays in the dialog");
  }
  await page.keyboard.press("Shift+Tab");
  await counts(view.locator("dialog :focus"), 1);
  await page.keyboard.press("Escape");
  await closes(opened);
  await eventually(async () => assert.match(await view.locator(":focus").getAttribute("aria-label"), /Picture 1 of 4/));
  await opened.close();
});

test("a click enlarges, and the whole window is asked for where there is one", async () => {
  const context = { displayMode: "inline", availableDisplayModes: ["inline", "fullscreen"] };
  const serve = { "ui/request-display-mode": ({ mode }) => ({ mode }) };
  const opened = await shown(LIGHTHOUSE, one, { context, serve });
  await opened.view.locator("main img").click();
  await opens(opened);
  await opened.view.getByRole("button", { name: "Close" }).click();
  await eventually(() => assert.deepEqual(opened.of("ui/request-display-mode"), [{ mode: "fullscreen" }, { mode: "inline" }]));
  await opened.close();
});

test("the smallest host: nothing is offered that it cannot do", async () => {
  const opened = await shown(LIGHTHOUSE, one, { sandbox: "allow-scripts allow-downloads" });
  const { view, page } = opened;
  await view.locator("main img").waitFor();
  await counts(view.getByRole("button", { name: "Edit this one" }), 0);
  await counts(view.getByRole("button", { name: "More like this" }), 0);
  const [download] = await Promise.all([page.waitForEvent("download"), view.getByRole("button", { name: "Download" }).click()]);
  assert.match(download.suggestedFilename(), /lighthouse.*\.(jpg|png|webp)$/);
  await view.locator("main img").click();
  await view.locator("dialog").getByText("Preview", { exact: true }).waitFor();
  assert.deepEqual(opened.asked.map(({ method }) => method), ["ui/initialize"]);
  await opened.close();
});

test("download hands the original to the host", async () => {
  const opened = await shown(LIGHTHOUSE, one, { can: EVERYTHING, serve: relay });
  await opened.view.locator("main img").click();
  await opened.view.locator("dialog").getByRole("button", { name: "Download" }).click();
  await opened.view.locator("dialog").getByText("is downloaded").waitFor();
  const [{ contents }] = opened.of("ui/download-file");
  const { resource } = contents[0];
  assert.equal(resource.mimeType, "image/png");
  assert.match(resource.uri, /^file:\/\/\/.*lighthouse.*\.png$/);
  assert.equal(Buffer.from(resource.blob, "base64").length, one.structuredContent.images[0].bytes);
  await opened.close();
});

test("edit and more become messages where the host takes them", async () => {
  const opened = await shown(LIGHTHOUSE, one, { can: { message: {} } });
  const { view, page } = opened;
  const { uri } = one.structuredContent.images[0];
  await view.getByRole("button", { name: "More like this" }).click();
  await view.getByText("Sent to the conversation.").first().waitFor();
  await view.getByRole("button", { name: "Edit this one" }).click();
  await view.getByRole("textbox", { name: "What should change?" }).fill("make it night");
  await picture(opened, "edit");
  await page.keyboard.press("Enter");
  await eventually(() => assert.equal(opened.of("ui/message").length, 2));
  const texts = opened.of("ui/message").map(({ role, content }) => [role, content[0].text]);
  assert.deepEqual(texts, [
    ["user", `Make another picture like ${uri}.`],
    ["user", `Edit the picture ${uri}: make it night`],
  ]);
  await closes(opened);
  await opened.close();
});

test("without messages the viewer calls the tool itself, after asking", async () => {
  const opened = await shown(LIGHTHOUSE, one, { can: { serverTools: {} }, serve: relay });
  const { view } = opened;
  await view.getByRole("button", { name: "More like this" }).click();
  await view.getByText("billed to").waitFor();
  assert.equal(opened.of("tools/call").length, 0, "nothing is paid for before it is asked");
  await view.getByRole("button", { name: "Make it" }).click();
  await counts(view.locator("main section").nth(1).locator("img"), 1);
  const [{ name, arguments: input }] = opened.of("tools/call");
  assert.deepEqual([name, input.prompt, input.size], ["create-image", LIGHTHOUSE.prompt, "1024x1024"]);
  await opened.close();
});

test("dark and light, as the host says and as it changes", async () => {
  const opened = await shown(LIGHTHOUSE, four, { can: EVERYTHING, serve: relay, context: { theme: "dark" } });
  const { view } = opened;
  const paper = () => view.locator(":root").evaluate((root) => getComputedStyle(root).backgroundColor);
  await counts(view.locator("main img"), 4);
  assert.equal(await paper(), "rgb(29, 29, 27)");
  await picture(opened, "dark");
  await view.locator("main img").nth(1).click();
  await view.locator("dialog").getByText("Original", { exact: true }).waitFor();
  await picture(opened, "dark-enlarged");
  await opened.page.keyboard.press("Escape");
  await opened.notify("host-context-changed", { theme: "light" });
  await eventually(async () => assert.equal(await paper(), "rgb(253, 253, 251)"));
  const variables = { "--color-background-primary": "rgb(1, 2, 3)" };
  await opened.notify("host-context-changed", { styles: { variables } });
  await eventually(async () => assert.equal(await paper(), "rgb(1, 2, 3)"));
  await opened.close();
});

test("without a word from the host the colours follow the system", async () => {
  const opened = await shown(LIGHTHOUSE, one);
  await opened.page.emulateMedia({ colorScheme: "dark" });
  const paper = () => opened.view.locator(":root").evaluate((root) => getComputedStyle(root).backgroundColor);
  await eventually(async () => assert.equal(await paper(), "rgb(29, 29, 27)"));
  await opened.close();
});

test("narrow: nothing is wider than the page", async () => {
  for (const result of [one, four]) {
    const opened = await shown(LIGHTHOUSE, result, { can: EVERYTHING, serve: relay, width: 360 });
    await opened.view.locator("main img").last().waitFor();
    assert.deepEqual(await overflowing(opened), []);
    if (result === one) await picture(opened, "narrow");
    await opened.view.locator("main img").last().click();
    assert.deepEqual(await overflowing(opened), []);
    await opened.view.locator("dialog").getByText("Original", { exact: true }).waitFor();
    if (result === four) await picture(opened, "narrow-enlarged");
    await opened.close();
  }
});

test("wide, and many: ten pictures beside each other", async () => {
  const ten = structuredClone(four);
  const { images } = ten.structuredContent;
  const previews = ten.content.filter(({ type }) => type === "image");
  images.push(...images, ...images.slice(0, 2));
  ten.content.push(...previews, ...previews.slice(0, 2));
  const opened = await shown(LIGHTHOUSE, ten, { can: EVERYTHING, serve: relay, width: 1200 });
  await counts(opened.view.locator("main img"), 10);
  const overflow = await opened.view.locator(":root").evaluate((root) => root.scrollWidth - root.clientWidth);
  assert.equal(overflow, 0);
  await picture(opened, "wide");
  await opened.close();
});

test("the host hears how high the page is", async () => {
  const opened = await shown(LIGHTHOUSE, one);
  await opened.view.locator("main img").waitFor();
  await eventually(async () => {
    const heights = (await opened.sent()).filter(({ method }) => method === "ui/notifications/size-changed");
    const height = await opened.view.locator("body").evaluate((body) => body.getBoundingClientRect().height);
    assert.equal(heights.at(-1).params.height, Math.ceil(height));
  });
  await opened.close();
});

test("before the result: the prompt, and a place for each picture", async () => {
  const opened = await open();
  await opened.notify("tool-input-partial", { arguments: { prompt: "A white light" } });
  await opened.view.getByText("A white light").waitFor();
  await opened.input({ ...LIGHTHOUSE, n: 3, size: "1024x1536" });
  await opened.view.getByText("Making 3 pictures").waitFor();
  await counts(opened.view.locator(".frame.busy"), 3);
  await picture(opened, "waiting");
  await opened.notify("tool-cancelled", { reason: "stopped by the user" });
  await opened.view.getByText("Cancelled: stopped by the user").waitFor();
  await counts(opened.view.locator(".frame.busy"), 0);
  await opened.close();
});

const running = (job, sketch) => ({
  content: [{ type: "text", text: `Still running. Call get-result with job ${job}.` }, ...sketch],
  structuredContent: { status: "running", job, stage: "painting, picture 2 of 4", elapsed_ms: 45_000 },
});
const sketch = () => one.content.filter(({ type }) => type === "image");

test("a running job is asked for until it is done", async () => {
  const results = [running("j1", sketch()), new Error("timed out"), four];
  const serve = {
    "tools/call": ({ name, arguments: input }) => {
      assert.deepEqual([name, input.job], ["get-result", "j1"]);
      const next = results.shift();
      if (next instanceof Error) throw next;
      return new Promise((later) => setTimeout(later, 300, next));
    },
  };
  const opened = await shown({ ...LIGHTHOUSE, n: 4 }, running("j1", []), { can: { serverTools: {} }, serve });
  await opened.view.getByText("Being made: painting, picture 2 of 4").waitFor();
  await opened.view.getByRole("img", { name: "Sketch" }).waitFor();
  await picture(opened, "running");
  await counts(opened.view.locator("main .frame img"), 4);
  await opened.close();
});

test("a running job where the viewer may not ask: how to get it", async () => {
  const small = await shown(LIGHTHOUSE, running("j1", []));
  await small.view.getByText("Ask for the result of job j1").waitFor();
  await small.close();
  const opened = await shown(LIGHTHOUSE, running("j1", []), { can: { message: {} } });
  await opened.view.getByRole("button", { name: "Get the result" }).click();
  await eventually(() => assert.match(opened.of("ui/message")[0].content[0].text, /job j1 with get-result/));
  await opened.close();
});

test("a running job can be stopped", async () => {
  const stopped = { isError: true, content: [{ type: "text", text: "The call was cancelled." }] };
  const serve = { "tools/call": ({ arguments: input }) => (input.cancel ? stopped : new Promise(() => {})) };
  const opened = await shown(LIGHTHOUSE, running("j1", []), { can: { serverTools: {} }, serve });
  await opened.view.getByRole("button", { name: "Stop" }).click();
  await opened.view.getByText("The call was cancelled.").waitFor();
  await opened.close();
});

test("a stop that only tells that it goes on leaves one question in the air", async () => {
  const serve = {
    "tools/call": ({ arguments: input }) =>
      new Promise((later) => setTimeout(later, input.cancel ? 0 : 300, running("j1", []))),
  };
  const opened = await shown(LIGHTHOUSE, running("j1", []), { can: { serverTools: {} }, serve });
  await opened.view.getByRole("button", { name: "Stop" }).click();
  await eventually(() => assert.ok(opened.of("tools/call").length >= 3));
  const before = opened.of("tools/call").length;
  await new Promise((later) => setTimeout(later, 1500));
  assert.ok(opened.of("tools/call").length - before <= 5, "two polls at once would ask ten times");
  await opened.close();
});

test("teardown is answered, and nothing is asked after it", async () => {
  let answer;
  const serve = { "tools/call": () => new Promise((later) => (answer = () => later(running("j1", [])))) };
  const opened = await shown(LIGHTHOUSE, running("j1", []), { can: { serverTools: {} }, serve });
  await eventually(() => assert.equal(opened.of("tools/call").length, 1));
  assert.deepEqual((await opened.request("ui/resource-teardown")).result, {});
  answer();
  await opened.page.waitForFunction((all) => answered === all, opened.asked.length);
  assert.deepEqual((await opened.request("ping")).result, {});
  assert.equal(opened.of("tools/call").length, 1);
  assert.equal((await opened.request("ui/unheard-of")).error.code, -32601);
  await opened.close();
});

test("a failure says what to do, and a part that failed has its place", async () => {
  const input = { ...LIGHTHOUSE, model: "sandbox-fault:status=401" };
  const failure = await server.call("create-image", input);
  assert.ok(failure.isError);
  const opened = await shown(input, failure, { can: EVERYTHING });
  await opened.view.getByText("unauthorized", { exact: true }).waitFor();
  await picture(opened, "failed");
  await opened.close();

  const some = { ...LIGHTHOUSE, n: 3, model: "sandbox-fault:status=400,times=1" };
  const partial = await server.call("create-image", some);
  assert.equal(partial.structuredContent.status, "partial");
  const half = await shown(some, partial, { can: EVERYTHING, serve: relay, context: { theme: "dark" } });
  await half.view.getByRole("group", { name: /Picture \d was not made/ }).first().waitFor();
  await counts(half.view.locator("main img"), 2);
  await picture(half, "partial");
  await half.close();
});

test("fewer previews than pictures: one overview, or none, or the originals", async () => {
  const [preview] = sketch();
  const sheet = without(four, "image");
  sheet.content = [...sheet.content, preview];
  const overview = await shown(LIGHTHOUSE, sheet);
  await overview.view.getByText("one overview of all 4 pictures").waitFor();
  await overview.view.getByRole("img", { name: /Overview/ }).waitFor();
  await overview.view.getByText("Picture 4 · 1536 × 1024").waitFor();
  await picture(overview, "overview");
  await overview.close();

  const none = await shown(LIGHTHOUSE, without(four, "image"));
  await none.view.getByText("no room here to show them").waitFor();
  await none.view.getByText(four.structuredContent.images[0].path).waitFor();
  await none.close();

  const originals = await shown(LIGHTHOUSE, without(four, "image"), { can: { serverResources: {} }, serve: relay });
  await counts(originals.view.locator("main img"), 4);
  await originals.close();
});

test("results of other kinds: no structured content, no pictures, a text, a foreign media type", async () => {
  const { structuredContent, ...plain } = one;
  const bare = await shown({}, plain, { can: EVERYTHING, serve: relay });
  assert.ok((await bare.view.locator("main img").getAttribute("alt")).includes("lighthouse"), "the link's title is the prompt");
  await bare.close();

  const empty = await shown(LIGHTHOUSE, { content: [], structuredContent: { ...structuredContent, images: [] } });
  await empty.view.getByText("There are no pictures in this result.").waitFor();
  await empty.close();

  const text = await shown({ job: "j2" }, { content: [{ type: "text", text: "Forty-two.\n<b>Why?</b>" }], structuredContent: { status: "complete" } });
  await text.view.getByText("<b>Why?</b>").waitFor();
  await text.close();

  const image = { type: "image", data: Buffer.from("<svg onload=alert(1)>").toString("base64"), mimeType: "image/svg+xml" };
  const foreign = await shown(LIGHTHOUSE, { content: [image] });
  await foreign.view.getByText("There are no pictures").waitFor();
  await counts(foreign.view.locator("main img"), 0);
  await foreign.close();
});

test("the prompt as the model rewrote it, and warnings", async () => {
  const told = structuredClone(one.structuredContent);
  told.images[0].revised_prompt = "A lone lighthouse at the hour when the sea turns violet.";
  told.warnings = ["dall-e-3 retired: gpt-image-2 answered."];
  told.requested_model = "dall-e-3";
  const opened = await shown(LIGHTHOUSE, { ...one, structuredContent: told }, { can: EVERYTHING, serve: relay });
  await opened.view.getByText("As the model rewrote it").waitFor();
  await opened.view.getByText("for dall-e-3").waitFor();
  await opened.view.getByText("dall-e-3 retired").waitFor();
  await picture(opened, "revised");
  await opened.close();
});

test("the page is small", () => assert.ok(html.length < 64_000, `${html.length} bytes`));
