// Several pictures at once: chosen in the grid, edited together, copied by their paths, downloaded.

/** A box in the corner of a picture; where there is one picture, there is nothing to choose. */
function pick(story, shot) {
  if (story.places < 2) return null;
  const onchange = ({ target }) => {
    shot.chosen = target.checked;
    story.chose();
  };
  return el("label", { class: "pick" },
    el("input", { type: "checkbox", checked: Boolean(shot.chosen), ariaLabel: `Select picture ${shot.number}`, onchange }));
}

/** What can be done with those that are chosen; it shows once one is. */
function several(story) {
  const bar = el("div", { class: "several", role: "group", ariaLabel: "Selected pictures" });
  story.chose = () => {
    const chosen = story.pictures.filter((shot) => shot.chosen);
    const paths = chosen.map(({ path: own, uri }) => own ?? uri).filter(Boolean);
    const uris = chosen.map(({ uri }) => uri).filter(Boolean);
    const together = uris.length > 1 && (can.message || can.serverTools);
    bar.hidden = !chosen.length;
    bar.replaceChildren(
      el("span", { role: "status" }, `${chosen.length} selected`),
      ...[
        together && wordy("edit", "Edit together", () => askForTogether(bar, uris)),
        paths.length > 0 && wordy("copy", "Copy paths", () => copyText(paths.join("\n"), `${paths.length} paths are copied.`)),
        wordy("download", "Download", () => downloadAll(chosen)),
        wordy("close", "Clear", () => clear(chosen)),
      ].filter(Boolean),
    );
  };

  const clear = (chosen) => {
    chosen.forEach((shot) => (shot.chosen = false));
    story.show();
  };

  story.chose();
  return bar;
}

/** One after the other: a host may ask about each. */
async function downloadAll(chosen) {
  for (const shot of chosen) await download(shot);
}

function askForTogether(bar, uris) {
  const ask = composer("What should become of them?", "", (words) =>
    can.message ? message(`Edit the pictures ${uris.join(", ")} together: ${words}`) : call("edit-image", { prompt: words, images: uris }));
  bar.querySelector(".ask")?.remove();
  bar.append(ask);
  ask.querySelector("textarea").focus();
}

