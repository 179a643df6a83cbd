// Pictures, and the things that can be done with them: looked at closely, compared, copied, chosen, painted on, tried again.

import assert from "node:assert/strict";
import { test } from "node:test";

import { LIGHTHOUSE, closes, counts, eventually, here, picture, relay, shown } from "./fixture.mjs";
import { EVERYTHING } from "./stage.mjs";

const { server, one, four } = here;
const FOUR = { ...LIGHTHOUSE, n: 4, size: "1536x1024" };
const [{ uri }] = one.structuredContent.images;
const TOOLS = { serverTools: {}, serverResources: {} };

test("one to one: a pixel of the picture on each of the screen, moved by the keyboard", async () => {
  const opened = await shown(LIGHTHOUSE, one, { can: EVERYTHING, serve: relay, width: 480 });
  const { view, page } = opened;
  await view.locator("main img").click();
  await view.locator("dialog").getByText("Original", { exact: true }).waitFor();
  const image = view.locator("dialog img");
  const actual = view.getByRole("button", { name: "Actual size" });
  await actual.click();
  await eventually(async () => assert.equal(await actual.getAttribute("aria-pressed"), "true"));
  const density = await image.evaluate(() => devicePixelRatio);
  assert.equal((await image.boundingBox()).width, 1024 / density);
  const scrolled = () => view.locator(".view").evaluate(({ scrollLeft }) => scrollLeft);
  const before = await scrolled();
  assert.ok(before > 0, "its middle is seen first");
  await view.locator(".view").focus();
  await page.keyboard.press("ArrowLeft");
  await eventually(async () => assert.ok((await scrolled()) < before));
  await picture(opened, "actual-size");
  await image.click();
  await eventually(async () => assert.equal(await actual.getAttribute("aria-pressed"), "false"));
  assert.ok((await image.boundingBox()).width < 480);
  await opened.close();
});

test("an edit is laid against what it began from", async () => {
  const edit = { prompt: "At night", images: [uri] };
  const edited = await server.call("edit-image", edit);
  assert.deepEqual(edited.structuredContent.images[0].made_from, [uri]);
  // A job's result comes without the arguments of its call.
  const opened = await shown({ job: "j1" }, edited, { can: EVERYTHING, serve: relay });
  const { view } = opened;
  await view.getByRole("button", { name: /Enlarge/ }).click();
  await view.locator("dialog").getByText("Original", { exact: true }).waitFor();
  const shows = () => view.locator("dialog img").getAttribute("src");
  const after = await shows();
  await view.getByRole("button", { name: "Before" }).click();
  await eventually(async () => assert.notEqual(await shows(), after));
  await picture(opened, "before");
  await view.getByRole("button", { name: "Before" }).click();
  await eventually(async () => assert.equal(await shows(), after));
  await view.getByRole("button", { name: "Close" }).click();
  await view.getByRole("button", { name: /Began from/ }).click();
  assert.notEqual(await shows(), after);
  await opened.close();
});

test("a copy is the picture where the host grants the clipboard, and else its path", async () => {
  const opened = await shown(LIGHTHOUSE, one, { can: EVERYTHING, serve: relay });
  const { view, page } = opened;
  await view.getByRole("button", { name: "Copy" }).click();
  await view.getByText("its path is copied instead").first().waitFor();
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
  assert.equal(await clipboard(), one.structuredContent.images[0].path);
  await opened.close(/Clipboard API has been blocked/);

  const granted = await shown(LIGHTHOUSE, one, { can: EVERYTHING, serve: relay, allow: "clipboard-write" });
  await granted.page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await granted.view.getByRole("button", { name: "Copy" }).click();
  await granted.view.getByText("The picture is copied.").first().waitFor();
  const types = await granted.page.evaluate(async () => (await navigator.clipboard.read())[0].types);
  assert.ok(types.includes("image/png"), types.join());
  await granted.close();
});

test("several are chosen, edited together, and copied by their paths", async () => {
  const opened = await shown(FOUR, four, { can: EVERYTHING, serve: relay });
  const { view, page } = opened;
  const { images } = four.structuredContent;
  await counts(view.getByRole("group", { name: "Selected pictures" }), 0);
  await view.getByRole("checkbox", { name: "Select picture 2" }).check();
  await counts(view.getByRole("button", { name: "Edit together" }), 0, "one is edited by itself");
  await view.getByRole("checkbox", { name: "Select picture 4" }).focus();
  await page.keyboard.press("Space");
  await view.getByText("2 selected").waitFor();
  await view.getByRole("button", { name: "Copy paths" }).click();
  await view.getByText("2 paths are copied.").first().waitFor();
  await view.getByRole("button", { name: "Edit together" }).click();
  await view.getByRole("textbox", { name: "What should become of them?" }).fill("one beside the other");
  await picture(opened, "selected");
  await page.keyboard.press("Enter");
  const said = `Edit the pictures ${images[1].uri}, ${images[3].uri} together: one beside the other`;
  await eventually(() => assert.equal(opened.of("ui/message")[0]?.content[0].text, said));
  await view.getByRole("button", { name: "Clear" }).click();
  await counts(view.getByRole("checkbox", { checked: true }), 0);
  await closes(opened);
  await opened.close();
});

test("what failed is tried again in its place, where the viewer may call tools", async () => {
  const some = { ...FOUR, model: "sandbox-fault:status=503,times=1" };
  const half = await server.call("create-image", some);
  const serve = { ...relay, "tools/call": ({ name }) => (assert.equal(name, "create-image"), server.call(name, LIGHTHOUSE)) };
  const opened = await shown(some, half, { can: TOOLS, serve });
  const { view } = opened;
  await view.getByRole("button", { name: "Try again" }).click();
  await counts(view.locator("main img"), 4);
  assert.equal(opened.of("tools/call")[0].arguments.n, 1);
  assert.deepEqual(await view.locator(".number").allTextContents(), ["1", "2", "3", "4"]);
  await counts(view.locator("main section"), 1);
  await opened.close();

  const failure = await server.call("create-image", { ...LIGHTHOUSE, model: "sandbox-fault:status=500,times=1" });
  const whole = await shown(LIGHTHOUSE, failure, { can: TOOLS, serve: relay });
  await whole.view.getByRole("button", { name: "Try again" }).click();
  await whole.view.locator("main img").waitFor();
  await whole.close();
});
