// One picture in full, over the page of viewer.js, with what can be asked for it.

/** `compose` gives what is asked below the picture; it may lay something over it. */
function enlarge(story, shot, compose) {
  const seen = story.pictures.filter((each) => each.seen);
  const at = seen.indexOf(shot);
  const many = at >= 0 && seen.length > 1 && compose !== askForPart;
  const turn = (by) => by && enlarge(story, seen.at((at + by) % seen.length));
  const turner = (name, label, by) => many && Object.assign(bare(name, label, () => turn(by)), { className: `turn ${name}` });
  const image = picture(shot.seen ?? "", alt(story, shot));
  image.hidden = !shot.seen;
  const view = el("div", { class: "view" }, image);
  const source = el("span", null, "Preview");
  const focused = document.activeElement.ariaLabel ?? document.activeElement.title;

  dialog.replaceChildren(
    el("div", { class: "bar" }, el("span", null, many ? `${at + 1} of ${seen.length}` : caption(story, shot, context.locale)),
      compose === askForPart ? [] : [before(story, shot, image), zoom(shot, view, image), ...actions(story, shot, wordy)],
      bare("close", "Close", () => dialog.close())),
    el("div", { class: "stage" }, view, turner("back", "Previous picture", -1), turner("forth", "Next picture", 1)),
    el("div", { class: "about" }, compose?.(story, shot, view), shot.prompt && prompt(shot.prompt), revised(story, shot),
      list("facts", [...known(shot, context.locale), shot.bytes && weight(shot.bytes), source].filter(Boolean)), path(shot),
      el("p", { class: "said", role: "status" })),
  );
  dialog.onkeydown = (event) => {
    if (event.key === "Tab") keepFocus(event);
    else if (many && event.target !== view && event.target.tagName !== "TEXTAREA") turn({ ArrowLeft: -1, ArrowRight: 1 }[event.key]);
  };
  dialog.onclose = () => {
    document.body.style.minHeight = "";
    display("inline");
    shot.thumbnail?.focus();
  };
  if (!dialog.open) {
    // Asked for, not waited for: a host may leave it unanswered, and the picture is shown over the page meanwhile.
    display("fullscreen");
    dialog.showModal();
  }
  position(shot);
  const same = [...dialog.querySelectorAll("button")].find(({ ariaLabel, title }) => focused && [ariaLabel, title].includes(focused));
  (dialog.querySelector("textarea") ?? same ?? dialog.querySelector(".bar .small")).focus();

  original(shot).then((url) => {
    shot.whole = url ?? shot.seen;
    if (url) source.textContent = "Original";
    if (shot.whole && !dialog.querySelector('[aria-pressed="true"]')) Object.assign(image, { src: shot.whole, hidden: false });
  });
}

/** The picture that an edit began from, in the place of what became of it. */
function before({ sources = [] }, shot, image) {
  const [source] = sources;
  if (!source || unseen(source)) return null;
  return toggle("before", "Before", async (shown) => {
    const url = shown ? (source.seen ?? (await original(source))) : (shot.whole ?? shot.seen);
    if (url) image.src = url;
  });
}

/** A pixel of the picture on each of the screen, to be moved by dragging, by its scroll bars or by the arrow keys. */
function zoom(shot, view, image) {
  const control = toggle("zoom", "Actual size", (shown) => {
    view.classList.toggle("actual", shown);
    view.tabIndex = shown ? 0 : -1;
    image.style.width = shown ? `${(shot.width ?? image.naturalWidth) / devicePixelRatio}px` : "";
    view.scrollTo((view.scrollWidth - view.clientWidth) / 2, (view.scrollHeight - view.clientHeight) / 2);
  });
  image.draggable = false;
  let moved = 0;
  view.onpointerdown = () => (moved = 0);
  view.onpointermove = ({ buttons, pointerType, movementX, movementY }) => {
    if (!buttons || pointerType === "touch") return;
    moved += Math.abs(movementX) + Math.abs(movementY);
    view.scrollBy(-movementX, -movementY);
  };
  image.onclick = () => moved < 5 && control.click();
  return control;
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
  const reached = [...dialog.querySelectorAll('button, textarea, input, [tabindex="0"]')];
  const [from, to] = event.shiftKey ? [0, -1] : [-1, 0];
  if (document.activeElement !== reached.at(from)) return;
  event.preventDefault();
  reached.at(to).focus();
}

const askForEdit = (story, { uri }) =>
  composer("What should change?", "", (words) =>
    can.message ? message(`Edit the picture ${uri}: ${words}`) : call("edit-image", { prompt: words, images: [uri] }));

const askForMore = (story, { prompt: own, revised_prompt: rewritten }) =>
  composer("What should the next one show?", rewritten ?? own ?? story.prompt, (prompt) => {
    const { model, size, quality, background, output_format } = story.input;
    call("create-image", { prompt, model, size, quality, background, output_format });
  });

/** A line of text to send; `paid` where it makes a picture without another question. `send` may refuse with false. */
function composer(label, value, send, paid = !can.message) {
  const text = el("textarea", { rows: 1, value, placeholder: label, ariaLabel: label });
  const go = () => {
    const words = text.value.trim();
    if (!words) return text.focus();
    if (send(words) !== false) dialog.close();
  };
  text.onkeydown = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    go();
  };
  const cost = "This makes one new picture, billed to the OpenAI account of this server.";
  return el("div", { class: "ask" }, text, el("button", { class: "main", onclick: go }, paid ? "Make it" : "Send"), paid && quiet(cost));
}

