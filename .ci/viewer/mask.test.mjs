// The brush: what is painted is what an edit may change.

import assert from "node:assert/strict";
import { test } from "node:test";

import { LIGHTHOUSE, closes, counts, eventually, here, opens, overflowing, picture, relay, shown } from "./fixture.mjs";
import { EVERYTHING } from "./stage.mjs";

const { one, four } = here;
const WORDS = "What should change where you painted?";

async function painting(result = one, options = {}) {
  const opened = await shown(LIGHTHOUSE, result, { can: { ...EVERYTHING, updateModelContext: {} }, serve: { ...relay, "ui/update-model-context": () => ({}) }, ...options });
  await opened.view.getByRole("button", { name: "Edit a part" }).click();
  const canvas = opened.view.locator("dialog canvas");
  await opens(opened);
  await canvas.waitFor();
  return { ...opened, canvas };
}

/** A stroke between two places, in shares of the picture's sides. */
async function stroke({ page, canvas }, [fromX, fromY], [toX, toY]) {
  const { x, y, width, height } = await canvas.boundingBox();
  await page.mouse.move(x + fromX * width, y + fromY * height);
  await page.mouse.down();
  await page.mouse.move(x + toX * width, y + toY * height, { steps: 8 });
  await page.mouse.up();
}

/** Alpha of the mask that was sent, at some places in shares of its sides; and its size. */
const read = ({ page }, mask, places) =>
  page.evaluate(async ([mask, places]) => {
    const image = Object.assign(new Image(), { src: mask });
    await image.decode();
    const { naturalWidth: width, naturalHeight: height } = image;
    const pen = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d", { willReadFrequently: true });
    pen.drawImage(image, 0, 0);
    const alpha = ([x, y]) => pen.getImageData(x * width, y * height, 1, 1).data[3];
    const { data } = pen.getImageData(0, 0, width, height);
    const between = data.filter((value, at) => at % 4 === 3 && value > 0 && value < 255).length;
    return { size: [width, height], alpha: places.map(alpha), between };
  }, [mask, places]);

test("what is painted is see-through in a PNG as large as the picture, and the rest is not", async () => {
  const opened = await painting();
  const { view } = opened;
  await stroke(opened, [0.2, 0.3], [0.6, 0.3]);
  await stroke(opened, [0.2, 0.8], [0.6, 0.8]);
  await view.getByRole("button", { name: "Undo" }).click();
  await view.getByRole("button", { name: "Erase" }).click();
  await stroke(opened, [0.6, 0.3], [0.6, 0.3]);
  await picture(opened, "mask");
  await view.getByRole("textbox", { name: WORDS }).fill("a balloon");
  await view.getByText("billed to").waitFor();
  await view.getByRole("button", { name: "Make it" }).click();
  await eventually(() => assert.equal(opened.of("tools/call").length, 1));
  const [{ name, arguments: input }] = opened.of("tools/call");
  const [image] = one.structuredContent.images;
  assert.deepEqual([name, input.prompt, input.images], ["edit-image", "a balloon", [image.uri]]);
  const told = await read(opened, input.mask, [[0.4, 0.3], [0.6, 0.3], [0.4, 0.8], [0.9, 0.9]]);
  assert.deepEqual(told, { size: [image.width, image.height], alpha: [0, 255, 255, 255], between: 0 });
  assert.ok(input.mask.length < 100_000, `${input.mask.length} characters`);
  // The server takes it, and the model learns of what was made without it.
  await counts(view.locator("main section").nth(1).locator(".single img"), 1);
  await eventually(() => assert.match(opened.of("ui/update-model-context")[0].content[0].text, /image:\/\//));
  await closes(opened);
  await opened.close();
});

test("nothing is sent before something is painted; the keyboard paints, too", async () => {
  const opened = await painting();
  const { view, page, canvas } = opened;
  const words = view.getByRole("textbox", { name: WORDS });
  await words.fill("a balloon");
  await words.press("Enter");
  await view.locator("dialog").getByText("Paint over what may change first.").waitFor();
  assert.equal(opened.of("tools/call").length, 0);
  await canvas.focus();
  for (const key of ["ArrowUp", "ArrowUp", "Space"]) await page.keyboard.press(key);
  await words.press("Enter");
  await eventually(() => assert.equal(opened.of("tools/call").length, 1));
  const { alpha } = await read(opened, opened.of("tools/call")[0].arguments.mask, [[0.5, 0.46], [0.1, 0.1]]);
  assert.deepEqual(alpha, [0, 255]);
  await opened.close();
});

test("clear takes all of it away", async () => {
  const opened = await painting();
  await stroke(opened, [0.2, 0.3], [0.6, 0.3]);
  await opened.view.getByRole("button", { name: "Clear" }).click();
  await opened.view.getByRole("textbox", { name: WORDS }).fill("a balloon");
  await opened.view.getByRole("button", { name: "Make it" }).click();
  await opened.view.locator("dialog").getByText("Paint over what may change first.").waitFor();
  await opened.close();
});

for (const theme of ["light", "dark"]) {
  for (const width of [320, 480, 720]) {
    test(`${theme}, ${width} px: the canvas lies on the picture`, async () => {
      const opened = await painting(one, { width, context: { theme } });
      const box = (what) => opened.view.locator(what).boundingBox();
      await eventually(async () => assert.deepEqual(await box("dialog canvas"), await box("dialog .view img")));
      await opened.view.getByRole("slider", { name: "Brush size" }).fill("14");
      await stroke(opened, [0.3, 0.3], [0.7, 0.4]);
      assert.deepEqual(await overflowing(opened), []);
      await picture(opened, `${theme}-${width}-mask`);
      await opened.close();
    });
  }
}

test("a host that calls no tools is offered no brush", async () => {
  const opened = await shown(LIGHTHOUSE, four, { can: { message: {}, serverResources: {} }, serve: relay });
  await opened.view.locator("main img").first().click();
  await opened.view.locator("dialog").getByRole("button", { name: "Edit this one" }).waitFor();
  await counts(opened.view.getByRole("button", { name: "Edit a part" }), 0);
  await opened.close();
});
