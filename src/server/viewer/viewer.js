// The page: a section for each result. Draws what result.js read, asks through host.js, enlarges with enlarged.js.

/** What the host can do and how it looks; both stay empty for the smallest of hosts. */
let can = {};
const context = {};
/** Set once the host takes the page down. */
let over = false;

const POLL_SECONDS = 20;
const main = document.querySelector("main");
const dialog = document.querySelector("dialog");

// One result

/** A section of the page: what is expected, then what came. */
function section() {
  const page = main.appendChild(el("section"));
  const story = { input: {}, hear, expect, take, cancelled };
  let ticking;
  let drawn = 0;

  function draw(...children) {
    clearInterval(ticking);
    drawn += 1;
    page.replaceChildren(...children.flat().filter(Boolean));
  }

  /** The arguments are still being written. */
  function hear(input = {}) {
    draw(prompt(input.prompt));
  }

  function expect(input = {}) {
    story.input = input;
    const n = Math.min(Math.max(1, Math.trunc(input.n) || 1), 10);
    const places = input.job ? [] : Array.from({ length: n }, () => frame("div", shapeOf(input.size), "busy"));
    draw(prompt(input.prompt), waiting(places), clock(n > 1 ? `Making ${n} pictures` : "Being made"));
  }

  function take(result) {
    Object.assign(story, readResult(result, story.input));
    if (story.kind === "running") return run();
    draw(...SHOWN[story.kind](story));
    if (story.kind === "pictures") load(story);
  }

  function cancelled(reason) {
    const why = reason ? `: ${reason}` : "";
    draw(prompt(story.input.prompt), quiet(`Cancelled${why}. What was finished is kept in the image folder.`));
  }

  /** It goes on as a job; the viewer asks again and again, where the host lets it. */
  function run() {
    const { job, stage, elapsed_ms } = story.told;
    const sketches = story.sketches.map((src) => frame("div", "", "sketch", picture(src, "Sketch")));
    const stop = () => callTool("get-result", { job, cancel: true }).then(take, () => {});
    const get = () => message(`Get the result of job ${job} with get-result.`);
    draw(
      prompt(story.prompt),
      waiting(sketches.length ? sketches : [frame("div", shapeOf(story.input.size), "busy")]),
      clock(stage ? `Being made: ${stage}` : "Being made", elapsed_ms,
        can.serverTools ? wordy("close", "Stop", stop) : can.message && button("Get the result", get)),
      !can.serverTools && quiet(`It goes on by itself. Ask for the result of job ${job}.`),
    );
    if (can.serverTools) poll(job);
  }

  /** Until there is something new, or something else is shown. */
  async function poll(job) {
    const mine = drawn;
    const outdated = () => over || drawn !== mine;
    for (let failures = 0; failures < 3; failures += 1) {
      try {
        const result = await callTool("get-result", { job, wait_seconds: POLL_SECONDS });
        return outdated() || take(result);
      } catch {
        await new Promise((later) => setTimeout(later, 2000));
      }
      if (outdated()) return;
    }
    draw(prompt(story.prompt), quiet(`No answer. Ask for the result of job ${job}.`), el("div", null, button("Look again", run)));
  }

  function clock(words, already = 0, more) {
    const since = Date.now() - already;
    const seconds = el("span", { ariaHidden: "true" });
    const tick = () => (seconds.textContent = duration(Date.now() - since));
    // Once it is drawn: drawing ends the clock of what stood there before.
    queueMicrotask(() => {
      tick();
      ticking = setInterval(tick, 1000);
    });
    return el("p", { class: "clock quiet" }, el("span", { role: "status" }, words), seconds, more);
  }

  return story;
}

const SHOWN = {
  text: ({ text, told, warnings }) => [el("p", { class: "text" }, told.text ?? text), list("notes", warnings)],

  failed: ({ prompt: words, error, text, warnings }) => {
    const details = [error.code, error.request_id && `request ${error.request_id}`].filter(Boolean);
    const again = error.retryable && can.message && button("Try again", () => message("Try that again."));
    return [
      prompt(words),
      el("div", { class: "failure" }, el("p", null, text || error.message), list("facts", details), again),
      list("notes", warnings),
    ];
  },

  pictures: (story) => {
    const { pictures, failed, overview, warnings, prompt: words } = story;
    const told = [list("facts", facts(story, context.locale)), list("notes", warnings)];
    if (pictures.length === 1 && !failed.length) return [prompt(words), single(story, pictures[0], told)];
    const tiles = [...pictures.map((shot) => tile(story, shot)), ...failed.map(missing)];
    return [
      prompt(words),
      overview.map((src) => frame("div", "", "", picture(src, `Overview: ${words}`))),
      unseen(pictures[0]) && quiet(room(pictures.length, overview.length)),
      grid(tiles) || quiet("There are no pictures in this result."),
      ...told,
    ];
  },
};

/** Laid out as the pictures will be. */
const waiting = (places) => (places.length === 1 ? el("div", { class: "single" }, places) : grid(places));

/** Neither shown nor to be had. */
const unseen = (shot) => shot && !shot.seen && !(shot.uri && can.serverResources);

function room(all, some) {
  if (some === 1) return `There was room here for one overview of all ${all} pictures.`;
  return some ? `There was room here for ${some} of ${all} pictures.` : "There was no room here to show them.";
}

function prompt(words) {
  if (!words) return null;
  const text = el("p", { class: "prompt" }, words);
  const whole = () => {
    text.classList.add("whole");
    rest.remove();
  };
  const rest = el("button", { class: "link", hidden: true, onclick: whole }, "Whole prompt");
  requestAnimationFrame(() => (rest.hidden = text.scrollHeight <= text.clientHeight + 2));
  return el("div", null, text, rest);
}

const alt = ({ pictures, prompt: words }, { number, revised_prompt: rewritten }) =>
  (pictures.length > 1 ? `Picture ${number} of ${pictures.length}: ` : "") + (rewritten || words || "a picture");

function thumbnail(story, shot) {
  if (unseen(shot)) return null;
  const label = alt(story, shot);
  const enlarges = frame("button", ratio(shot), shot.seen ? "" : "busy", shot.seen && picture(shot.seen, label));
  Object.assign(enlarges, { ariaLabel: `Enlarge. ${label}`, disabled: !shot.seen, onclick: () => enlarge(story, shot) });
  shot.thumbnail?.replaceWith(enlarges);
  shot.thumbnail = enlarges;
  return enlarges;
}

const ratio = ({ width, height }) => (width && height ? `${width} / ${height}` : "");

function tile(story, shot) {
  // File names begin with date and time: the rest tells more.
  const name = unseen(shot) ? dimensions(shot) : shot.name.replace(/^\d{8}-\d{6}-/, "");
  const words = shot.transparent ? `${name} · transparent` : name;
  return el("figure", null, unseen(shot) ? path(shot) : thumbnail(story, shot),
    el("figcaption", null, el("span", { title: shot.path ?? "" }, words), actions(story, shot, bare)));
}

const missing = ({ number, why }) =>
  el("div", { class: "failure" }, el("strong", null, `Picture ${number} was not made`), el("p", null, why));

const single = (story, shot, told) =>
  el("div", { class: "single" },
    el("div", null, thumbnail(story, shot), el("div", { class: "actions" }, actions(story, shot, wordy))),
    el("div", null, revised(story, shot), told, path(shot)));

const revised = (story, { revised_prompt: words }) =>
  words && words !== story.prompt && el("p", { class: "quiet" }, el("strong", null, "As the model rewrote it"), words);

const path = (shot) => shot.path && el("p", { class: "path", title: "Where the original lies" }, shot.path);

/** Originals in place of the previews that did not fit; one after the other, for they are large. */
async function load(story) {
  for (const shot of story.pictures.filter(({ seen }) => !seen)) {
    shot.seen = await original(shot);
    if (shot.seen) thumbnail(story, shot);
  }
}

/** The new result stands below those that are there. */
async function call(tool, input) {
  const story = section();
  story.expect(input);
  try {
    story.take(await callTool(tool, input));
  } catch (error) {
    story.take({ isError: true, content: [{ type: "text", text: `The host did not make the call: ${error.message}` }] });
  }
}

// The page and its host

function dress(changed) {
  Object.assign(context, changed);
  const { theme, styles, displayMode, safeAreaInsets: { top = 0, right = 0, bottom = 0, left = 0 } = {} } = context;
  const root = document.documentElement;
  if (theme) root.dataset.theme = theme;
  for (const [name, value] of Object.entries(styles?.variables ?? {})) root.style.setProperty(name, value ?? "");
  document.body.style.padding = `${top}px ${right}px ${bottom}px ${left}px`;
  if (dialog.open && displayMode === "fullscreen") dialog.className = "whole";
}

async function start() {
  const { hostCapabilities = {}, hostContext = {} } = await host.request("ui/initialize", {
    protocolVersion: "2026-01-26",
    appInfo: { name: "mcp-openai-viewer", title: "Pictures", version: "1" },
    appCapabilities: { availableDisplayModes: ["inline", "fullscreen"] },
  });
  can = hostCapabilities;
  dress(hostContext);
  host.notify("ui/notifications/initialized");
  const tell = () => host.notify("ui/notifications/size-changed", { height: Math.ceil(document.body.offsetHeight) });
  new ResizeObserver(tell).observe(document.body);
}

const first = section();
start();
