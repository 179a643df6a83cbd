// The page: a section for each result. Draws what result.js read, asks through asking.js, enlarges with enlarged.js.

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
  const story = { input: {}, pictures: [], hear, expect, take, cancelled, show, repeat };
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
    story.sources = sourcesOf(input);
    const n = Math.min(Math.max(1, Math.trunc(input.n) || 1), 10);
    const making = input.prompt || input.job;
    const words = n > 1 ? `Making ${n} pictures` : making ? "Being made" : "Looking for pictures";
    draw(prompt(input.prompt), beganFrom(story), input.prompt && laidOut(story, awaited(story, n)), clock(words));
  }

  function take(result) {
    Object.assign(story, readResult(result, story.input));
    if (story.kind === "running") return run();
    if (story.kind === "pictures") story.sources = sourcesOf(story.input, story.pictures);
    return show();
  }

  function show() {
    draw(...SHOWN[story.kind](story));
    if (story.pictures) load(story);
  }

  function cancelled(reason) {
    const why = reason ? `: ${reason}` : "";
    draw(prompt(story.input.prompt), quiet(`Cancelled${why}. What was finished is kept in the image folder.`));
  }

  function repeat() {
    callInto(story, toolOf(story), story.input);
  }

  /** It goes on as a job; the viewer asks again and again, where the host lets it. */
  function run() {
    const { job, stage, elapsed_ms } = story.told;
    // Only the stage tells the viewer of a get-result how many are made.
    const n = story.input.n ?? / of (\d+)/.exec(stage)?.[1] ?? 1;
    const places = awaited(story, Math.max(n, story.sketches.length));
    story.sketches.forEach((seen, at) => (places[at].seen = seen));
    const stop = () => callTool("get-result", { job, cancel: true }).then(take, () => {});
    const get = () => message(`Get the result of job ${job} with get-result.`);
    draw(
      prompt(story.prompt),
      beganFrom(story),
      laidOut(story, places),
      clock(stage ? `Being made: ${stage}` : "Being made", elapsed_ms,
        can.serverTools ? wordy("close", "Stop", stop) : can.message && button("Get the result", get)),
      !can.serverTools && quiet(`It goes on by itself. Ask for the result of job ${job}.`),
    );
    if (can.serverTools) poll(job);
  }

  /** Until there is something new, or something else is shown. */
  async function poll(job) {
    const mine = drawn;
    // Two that poll for one section would each draw over the other.
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
  gallery,

  text: ({ text, told, warnings }) => [el("p", { class: "text" }, told.text ?? text), list("notes", warnings)],

  failed: (story) => {
    const { prompt: words, error, text, warnings } = story;
    const details = [error.code, error.request_id && `request ${error.request_id}`].filter(Boolean);
    return [
      prompt(words),
      el("div", { class: "failure" }, el("p", null, text || error.message), list("facts", details),
        error.retryable && again(story, "Try that again.", story.repeat)),
      list("notes", warnings),
    ];
  },

  pictures: (story) => {
    const { pictures, failed, overview, warnings, prompt: words } = story;
    const shots = [...pictures, ...failed].sort((one, other) => one.number - other.number);
    const [only] = shots.length === 1 ? pictures : [];
    return [
      prompt(words),
      beganFrom(story),
      overview.map((src) => frame("div", "", "", picture(src, `Overview: ${words}`))),
      unseen(pictures[0]) && quiet(room(pictures.length, overview.length)),
      laidOut(story, shots) || quiet("There are no pictures in this result."),
      several(story),
      only && revised(story, only),
      list("facts", facts(story, context.locale)),
      list("notes", warnings),
      only && path(only),
      earlier(),
    ];
  },
};

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

/** What an edit began from, small, each to be looked at. */
function beganFrom({ sources = [] }) {
  if (!sources.length) return null;
  const chips = sources.map((source) => {
    const { name, seen } = source;
    if (unseen(source)) return el("span", { class: "path" }, name);
    const chip = el("button", { class: "chip", title: name, ariaLabel: `Began from ${name}` }, seen && picture(seen, ""));
    chip.onclick = () => enlarge({ pictures: [source], input: {}, prompt: name }, source);
    if (!seen) original(source).then((url) => url ? chip.append(picture(url, "")) : chip.replaceWith(name));
    return chip;
  });
  return el("div", { class: "began quiet" }, "Began from", chips);
}

/** Places for pictures that are still being made. */
const awaited = (story, n) =>
  Array.from({ length: n }, (_, at) => ({ number: at + 1, name: "", awaited: shapeOf(story.input.size), uri: "-" }));

/** One picture as wide as the page, several beside each other: laid out alike before they are there and after. */
function laidOut(story, shots) {
  story.places = shots.length;
  const [only] = shots;
  if (shots.length > 1 || only?.why || story.kind === "gallery") return grid(shots.map((shot) => tile(story, shot)));
  return only && el("div", { class: `single ${only.awaited ? "awaited" : ""}` },
    thumbnail(story, only), el("div", { class: "actions" }, actions(story, only, wordy)));
}

function tile(story, shot) {
  if (shot.why) return missing(story, shot);
  // The numbers of a sheet with all of them.
  const name = [`Picture ${shot.number}`, dimensions(shot)].filter(Boolean).join(" · ");
  const words = shot.awaited || unseen(shot) ? name : caption(story, shot, context.locale);
  return el("figure", { class: shot.awaited ? "awaited" : "" },
    el("div", { class: "shown" }, unseen(shot) ? path(shot) : thumbnail(story, shot), !shot.awaited && pick(story, shot)),
    el("figcaption", null, el("span", { title: shot.prompt ?? shot.path ?? "" }, words),
      el("div", null, actions(story, shot, bare, ["edit", "more", "download"]))));
}

function missing(story, shot) {
  const { number, why } = shot;
  const asked = `Picture ${number} of ${story.places} was not made. Make that one again, and only that one.`;
  return el("figure", null,
    Object.assign(
      frame("div", shapeOf(story.input.size), "missing", badge(story, shot), el("strong", null, "Not made"),
        shot.retryable && again(story, asked, () => remake(story, shot))),
      { role: "group", ariaLabel: `Picture ${number} was not made` }),
    // The request's id, which is for OpenAI's support alone, is as long as the rest.
    el("p", { class: "why quiet", title: why }, why.replace(/ \(request \S+\)/, "")));
}

/** By the conversation where it takes messages; else by the viewer itself. */
function again(story, words, repeat) {
  if (can.message) return button("Try again", () => message(words));
  return can.serverTools && story.input.prompt && button("Try again", repeat);
}

const toolOf = ({ tool, input }) => tool ?? context.toolInfo?.tool?.name ?? (input.images ? "edit-image" : "create-image");

/** One picture that failed, once more, in its place. */
async function remake(story, failure) {
  const { number } = failure;
  const others = story.failed.filter((each) => each !== failure);
  const put = (picture) => {
    story.pictures = [...story.pictures.filter((each) => each.number !== number), picture];
    story.show();
  };
  story.failed = others;
  put({ ...awaited(story, 1)[0], number });
  let result = await callTool(toolOf(story), { ...story.input, n: 1 }).catch(({ message: text }) => ({ isError: true, content: [{ type: "text", text }] }));
  // A host that refuses is not asked for ever: what stands then names the job.
  for (let failures = 0; failures < 3 && !over && result.structuredContent?.status === "running";) {
    try {
      result = await callTool("get-result", { job: result.structuredContent.job, wait_seconds: POLL_SECONDS });
    } catch {
      failures += 1;
      await new Promise((later) => setTimeout(later, 2000));
    }
  }
  const { kind, text, pictures, error } = readResult(result, story.input);
  if (kind === "pictures" && pictures.length) return put({ ...pictures[0], number });
  story.pictures = story.pictures.filter((each) => each.number !== number);
  story.failed = [...others, { ...failure, why: text, retryable: error?.retryable ?? true }];
  return story.show();
}

const alt = ({ places, prompt: words }, { number, prompt: own, revised_prompt: rewritten }) =>
  (places > 1 && number ? `Picture ${number} of ${places}: ` : "") + (rewritten || own || words || "a picture");

const badge = ({ kind, places }, { number }) => kind !== "gallery" && places > 1 && el("span", { class: "number", ariaHidden: "true" }, number);

function thumbnail(story, shot) {
  if (shot.awaited) {
    return frame("div", shot.awaited, shot.seen ? "sketch" : "busy", shot.seen && picture(shot.seen, "Sketch"), badge(story, shot));
  }
  const label = alt(story, shot);
  const enlarges = frame("button", ratio(shot), shot.seen ? "" : "busy", shot.seen && picture(shot.seen, label), badge(story, shot));
  Object.assign(enlarges, { ariaLabel: `Enlarge. ${label}`, disabled: !shot.seen, onclick: () => enlarge(story, shot) });
  shot.thumbnail?.replaceWith(enlarges);
  shot.thumbnail = enlarges;
  return enlarges;
}

const ratio = ({ width, height }) => (width && height ? `${width} / ${height}` : "");

const revised = (story, { revised_prompt: words }) =>
  words && words !== story.prompt && el("p", { class: "quiet" }, el("strong", null, "As the model rewrote it"), words);

const path = (shot) => shot.path && el("p", { class: "path", title: "Where the original lies" }, shot.path);

/** Originals in place of the previews that did not fit; one after the other, for they are large. */
async function load(story) {
  for (const shot of story.pictures.filter(({ seen, awaited: wanted }) => !seen && !wanted)) {
    shot.seen = await original(shot);
    if (shot.seen) thumbnail(story, shot);
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
  // After the page is dressed: from here on the host sends the call and its result.
  host.notify("ui/notifications/initialized");
  const tell = () => host.notify("ui/notifications/size-changed", { height: Math.ceil(document.body.offsetHeight) });
  // Hosts give a page its height by what it says, and cut off the rest.
  new ResizeObserver(tell).observe(document.body);
}

const first = section();
start();
