// The viewer in every width and theme that hosts give it: what stands where, and that nothing jumps.

import assert from "node:assert/strict";
import { test } from "node:test";

import { LIGHTHOUSE, counts, here, open, overflowing, picture, relay, shown } from "./fixture.mjs";
import { EVERYTHING } from "./stage.mjs";

const WIDTHS = [320, 480, 720];
const THEMES = ["light", "dark"];

const { server, one, four } = here;

const SOME = { ...LIGHTHOUSE, n: 4, size: "1536x1024", model: "sandbox-fault:status=503,times=1" };
const half = await server.call("create-image", SOME);
const EDIT = { prompt: "The same at night", images: [one.structuredContent.images[0].uri] };
const edited = await server.call("edit-image", EDIT);
const seeThrough = await server.call("create-image", { ...LIGHTHOUSE, background: "transparent" });

const boxes = ({ view }, what) =>
  view.locator(what).evaluateAll((all) => all.map((each) => {
    const { x, y, width, height } = each.getBoundingClientRect();
    return [x, y, width, height].map(Math.round);
  }));

for (const theme of THEMES) {
  for (const width of WIDTHS) {
    const options = { can: EVERYTHING, serve: relay, context: { theme }, width };

    test(`${theme}, ${width} px: four pictures stand where their places stood, two beside each other`, async () => {
      const opened = await open(options);
      await opened.input({ ...LIGHTHOUSE, n: 4, size: "1536x1024" });
      await opened.view.getByText("Making 4 pictures").waitFor();
      const before = await boxes(opened, "main .frame");
      await picture(opened, `${theme}-${width}-waiting`);
      await opened.result(four);
      await counts(opened.view.locator("main img"), 4);
      assert.deepEqual(await boxes(opened, "main .frame"), before);
      assert.equal(before[0][1], before[1][1], "two beside each other");
      assert.ok(before[2][1] > before[0][1], "and two below");
      assert.deepEqual(await opened.view.locator(".number").allTextContents(), ["1", "2", "3", "4"]);
      assert.deepEqual(await overflowing(opened), []);
      await picture(opened, `${theme}-${width}-four`);
      await opened.close();
    });

    test(`${theme}, ${width} px: one picture is as wide as the page, before and after`, async () => {
      const opened = await open(options);
      await opened.input(LIGHTHOUSE);
      const before = await boxes(opened, "main .frame");
      await opened.result(one);
      await opened.view.locator("main img").waitFor();
      assert.deepEqual(await boxes(opened, "main .frame"), before);
      const page = await opened.view.locator("main").evaluate((main) => main.clientWidth - 2 * parseFloat(getComputedStyle(main).paddingLeft));
      assert.equal(before[0][2], page);
      assert.deepEqual(await overflowing(opened), []);
      await picture(opened, `${theme}-${width}-one`);
      await opened.close();
    });

    test(`${theme}, ${width} px: what failed keeps its place`, async () => {
      const opened = await shown(SOME, half, options);
      const [{ index }] = half.structuredContent.failed;
      await opened.view.getByRole("group", { name: `Picture ${index + 1} was not made` }).waitFor();
      assert.deepEqual(await opened.view.locator(".number").allTextContents(), ["1", "2", "3", "4"]);
      const tiles = await opened.view.locator("figure").all();
      await tiles[index].getByRole("button", { name: "Try again" }).waitFor();
      assert.deepEqual(await overflowing(opened), []);
      await picture(opened, `${theme}-${width}-partial`);
      await opened.close();
    });

    test(`${theme}, ${width} px: an edit, what it began from, and squares where it is see-through`, async () => {
      const opened = await shown(EDIT, edited, options);
      await opened.view.getByRole("button", { name: /Began from .*lighthouse/ }).locator("img").waitFor();
      await picture(opened, `${theme}-${width}-edit`);
      await opened.result(seeThrough);
      await opened.view.getByRole("button", { name: /Enlarge/ }).click();
      await opened.view.locator("dialog").getByText("Original", { exact: true }).waitFor();
      assert.deepEqual(await overflowing(opened), []);
      await picture(opened, `${theme}-${width}-transparent`);
      await opened.close();
    });
  }
}
