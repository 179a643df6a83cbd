// Pictures made earlier, twelve a page, and those that a search finds. The server looks for them; the viewer asks again.

// As many as show-gallery gives: the range below the pictures is counted by it.
const PAGE = 12;

/** Below a result: the way to what was made before. */
const earlier = () => can.serverTools && el("div", null, el("button", { class: "link", onclick: openGallery }, "Earlier pictures"));

function openGallery() {
  const story = section();
  story.take({ structuredContent: { images: [], page: 0 } });
  main.lastElementChild.querySelector("input").focus();
  story.turn({});
}

function gallery(story) {
  const words = el("input", { type: "search", placeholder: "Search", ariaLabel: "Search earlier pictures", value: story.told.search ?? "" });
  const results = el("div", { class: "results" });
  const search = () => story.turn({ search: words.value.trim() });
  let turns = 0;
  words.onkeydown = ({ key, isComposing }) => key === "Enter" && !isComposing && search();

  /** Another page, or another search: the pictures that are there stay until the next ones are. */
  story.turn = async (query) => {
    const mine = ++turns;
    results.ariaBusy = "true";
    const read = await callTool("show-gallery", query).then(readResult, ({ message: text }) => ({ kind: "failed", text }));
    // Two searches may be answered in the other order: the later one counts.
    if (mine !== turns) return;
    results.ariaBusy = "false";
    if (read.kind !== "gallery") return say(read.text);
    Object.assign(story, read);
    fill();
    return load(story);
  };

  function fill() {
    const { pictures, told: { page, next_page: next } } = story;
    const shown = [laidOut(story, pictures), several(story), page > 0 && pager(story, page, next)];
    results.replaceChildren(...shown.filter(Boolean));
  }

  fill();
  // No form: where the frame's sandbox allows none, it is never sent.
  const box = el("div", { class: "search", role: "search" }, words, button("Search", search));
  return [el("h2", null, "Earlier pictures"), can.serverTools && box, results];
}

function pager(story, page, next) {
  const { pictures: { length }, told: { search } } = story;
  const none = search ? "No picture has all of these words." : "There are no pictures yet.";
  const range = length ? `${(page - 1) * PAGE + 1} to ${(page - 1) * PAGE + length}` : none;
  const turner = (name, label, to) =>
    Object.assign(wordy(name, label, () => story.turn({ ...(search && { search }), page: to })), { disabled: !to });
  const turns = can.serverTools && (page > 1 || next);
  return el("div", { class: "actions pager" },
    turns && turner("back", "Previous", page > 1 && page - 1),
    el("span", { class: "quiet", role: "status" }, range),
    turns && turner("forth", "Next", next));
}

