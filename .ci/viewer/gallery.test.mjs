// Pictures made earlier: the pages of a real folder, in every width and theme, and what a search finds in it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { LIGHTHOUSE, counts, eventually, here, opens, overflowing, picture, relay, shown } from "./fixture.mjs";
import { EVERYTHING } from "./stage.mjs";

const { server, one } = here;
// Five are there already.
await server.call("create-image", { prompt: "A fox in fresh snow", n: 5, size: "1024x1024" });
await server.call("create-image", { prompt: "A blue whale under the ice", n: 4, size: "1536x1024" });
const newest = await server.call("show-gallery", {});

const images = ({ view }) => view.locator("main .results img");
const asked = (opened) => opened.of("tools/call").map(({ name, arguments: input }) => (assert.equal(name, "show-gallery"), input));

for (const theme of ["light", "dark"]) {
  for (const width of [320, 480, 720]) {
    test(`${theme}, ${width} px: twelve a page, beside each other`, async () => {
      const opened = await shown({}, newest, { can: EVERYTHING, serve: relay, context: { theme, locale: "en-GB" }, width });
      await counts(images(opened), 12);
      await opened.view.getByText("1 to 12").waitFor();
      await opened.view.getByText(/^\d+ \w+ · A blue whale under the ice/).first().waitFor();
      const tops = await opened.view.locator("figure").evaluateAll((all) => all.slice(0, 2).map((each) => each.offsetTop));
      assert.equal(tops[0], tops[1]);
      assert.deepEqual(await overflowing(opened), []);
      await picture(opened, `${theme}-${width}-gallery`);
      await opened.close();
    });
  }
}

test("pages are turned, and words are searched for, by the server", async () => {
  const opened = await shown({}, newest, { can: EVERYTHING, serve: relay });
  const { view, page } = opened;
  await view.getByRole("button", { name: "Next" }).click();
  await view.getByText("13 to 14").waitFor();
  await counts(images(opened), 2);
  await view.getByRole("button", { name: "Previous" }).click();
  await view.getByText("1 to 12").waitFor();
  await view.getByRole("searchbox").fill("snow fox");
  await page.keyboard.press("Enter");
  await view.getByText("1 to 5").waitFor();
  await counts(images(opened), 5);
  await view.getByRole("searchbox").fill("badger");
  await view.getByRole("button", { name: "Search" }).click();
  await view.getByText("No picture has all of these words.").waitFor();
  assert.deepEqual(asked(opened), [{ page: 2 }, { page: 1 }, { search: "snow fox" }, { search: "badger" }]);
  await opened.close();
});

test("a picture made earlier is looked at, and goes on from there", async () => {
  const opened = await shown({}, newest, { can: EVERYTHING, serve: relay });
  const { view } = opened;
  await view.locator("main .results img").first().click();
  await opens(opened);
  await view.locator("dialog").getByText("A blue whale under the ice", { exact: true }).waitFor();
  await view.locator("dialog").getByText("Original", { exact: true }).waitFor();
  await view.locator("dialog").getByText("1536 × 1024").waitFor();
  await picture(opened, "gallery-enlarged");
  await view.locator("dialog").getByRole("button", { name: "More like this" }).click();
  await eventually(() => assert.match(opened.of("ui/message")[0].content[0].text, /Make another picture like image:/));
  await view.getByRole("button", { name: "Close" }).click();
  await view.getByRole("checkbox", { name: "Select picture 1", exact: true }).check();
  await view.getByRole("checkbox", { name: "Select picture 2", exact: true }).check();
  await view.getByRole("button", { name: "Clear" }).click();
  await counts(images(opened), 12);
  await opened.close();
});

test("from a result there is a way to the earlier ones, where the viewer may ask", async () => {
  const opened = await shown(LIGHTHOUSE, one, { can: EVERYTHING, serve: relay });
  await opened.view.getByRole("button", { name: "Earlier pictures" }).click();
  await counts(images(opened), 12);
  await eventually(async () => assert.equal(await opened.view.locator(":focus").getAttribute("type"), "search"));
  await opened.close();

  const small = await shown({}, newest);
  await counts(images(small), 12);
  await counts(small.view.getByRole("searchbox"), 0);
  await counts(small.view.getByRole("button", { name: "Next" }), 0);
  await small.close();
});
