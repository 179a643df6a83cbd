// One picture in full, over the page of viewer.js, with what can be asked for it.

function enlarge(story, shot, compose) {
  const seen = story.pictures.filter((each) => each.seen);
  const at = seen.indexOf(shot);
  const many = at >= 0 && seen.length > 1;
  const turn = (by) => by && enlarge(story, seen.at((at + by) % seen.length));
  const turner = (name, label, by) => many && Object.assign(bare(name, label, () => turn(by)), { className: `turn ${name}` });
  const image = picture(shot.seen ?? "", alt(story, shot));
  image.hidden = !shot.seen;
  const source = el("span", null, "Preview");
  const focused = document.activeElement.ariaLabel;

  dialog.replaceChildren(
    el("div", { class: "bar" }, el("span", null, many ? `${at + 1} of ${seen.length}` : shot.name),
      actions(story, shot, wordy), bare("close", "Close", () => dialog.close())),
    el("div", { class: "stage" }, image, turner("back", "Previous picture", -1), turner("forth", "Next picture", 1)),
    el("div", { class: "about" }, compose?.(story, shot), revised(story, shot),
      list("facts", [dimensions(shot), shot.bytes && weight(shot.bytes), source].filter(Boolean)), path(shot),
      el("p", { class: "said", role: "status" })),
  );
  dialog.onkeydown = (event) => {
    if (event.key === "Tab") keepFocus(event);
    else if (many && event.target.tagName !== "TEXTAREA") turn({ ArrowLeft: -1, ArrowRight: 1 }[event.key]);
  };
  dialog.onclose = () => {
    document.body.style.minHeight = "";
    display("inline");
    shot.thumbnail?.focus();
  };
  if (!dialog.open) {
    display("fullscreen");
    dialog.showModal();
  }
  position(shot);
  const [asked, same, close] = ["textarea", `[aria-label="${focused}"]`, ".bar .small"].map((some) => dialog.querySelector(some));
  (asked ?? same ?? close).focus();

  original(shot).then((url) => {
    if (url) Object.assign(image, { src: url, hidden: false });
    if (url) source.textContent = "Original";
  });
}

/** Over the chosen picture: a host may give the page all its height and show a part of it, without the middle. */
function position({ width = 1, height = 1, thumbnail: near }) {
  const { scrollHeight, style } = document.documentElement;
  const whole = context.displayMode === "fullscreen" || scrollHeight > innerHeight + 1;
  dialog.className = whole ? "whole" : "";
  if (whole) return;
  const most = (context.containerDimensions?.maxHeight ?? 760) - 200;
  style.setProperty("--high", `${Math.min(most, ((innerWidth - 32) * height) / width)}px`);
  const tall = dialog.offsetHeight;
  const box = near?.getBoundingClientRect() ?? { top: 0, height: 0 };
  const wanted = Math.min(box.top + box.height / 2 - tall / 2, main.offsetHeight - tall);
  dialog.style.top = `${Math.max(0, wanted)}px`;
  document.body.style.minHeight = `${tall}px`;
}

function display(mode) {
  if (!context.availableDisplayModes?.includes("fullscreen") || context.displayMode === mode) return;
  host.request("ui/request-display-mode", { mode }).then(({ mode: displayMode }) => dress({ displayMode }), () => {});
}

function keepFocus(event) {
  const reached = [...dialog.querySelectorAll("button, textarea")];
  const [from, to] = event.shiftKey ? [0, -1] : [-1, 0];
  if (document.activeElement !== reached.at(from)) return;
  event.preventDefault();
  reached.at(to).focus();
}

const askForEdit = (story, { uri }) =>
  composer("What should change?", "", (words) =>
    can.message ? message(`Edit the picture ${uri}: ${words}`) : call("edit-image", { prompt: words, images: [uri] }));

const askForMore = ({ input, prompt: words }, { revised_prompt: rewritten }) =>
  composer("What should the next one show?", rewritten ?? words, (prompt) => {
    const { model, size, quality, background, output_format } = input;
    call("create-image", { prompt, model, size, quality, background, output_format });
  });

function composer(label, value, send) {
  const text = el("textarea", { rows: 1, value, placeholder: label, ariaLabel: label });
  const go = () => {
    const words = text.value.trim();
    if (!words) return text.focus();
    dialog.close();
    send(words);
  };
  text.onkeydown = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    go();
  };
  const cost = "This makes one new picture, billed to the OpenAI account of this server.";
  return el("div", { class: "ask" }, text, el("button", { class: "main", onclick: go }, can.message ? "Send" : "Make it"), !can.message && quiet(cost));
}

