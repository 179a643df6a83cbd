// Elements of a page. Knows neither the host nor what is shown.

function el(tag, properties, ...children) {
  const { class: className = "", ...rest } = properties ?? {};
  const element = Object.assign(document.createElement(tag), { className }, rest);
  element.append(...children.flat().filter(Boolean));
  return element;
}

function icon(name) {
  const [svg, use] = ["svg", "use"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  use.setAttribute("href", `#${name}`);
  svg.ariaHidden = "true";
  svg.append(use);
  return svg;
}

const button = (words, onclick) => el("button", { class: "plain", onclick }, words);
const wordy = (name, words, onclick) =>
  el("button", { class: "plain", title: words, onclick }, icon(name), el("span", null, words));
const bare = (name, label, onclick) =>
  el("button", { class: "small", title: label, ariaLabel: label, onclick }, icon(name));
/** A button that stays down until it is pressed again. */
function toggle(name, words, ontoggle) {
  const pressed = wordy(name, words, () => {
    pressed.ariaPressed = String(pressed.ariaPressed !== "true");
    ontoggle(pressed.ariaPressed === "true");
  });
  pressed.ariaPressed = "false";
  return pressed;
}

const quiet = (words) => el("p", { class: "quiet" }, words);
const grid = (tiles) =>
  tiles.length > 0 && el("div", { class: `grid ${[2, 4].includes(tiles.length) ? "even" : ""}` }, tiles);
const list = (name, items) => items.length > 0 && el("ul", { class: name }, items.map((item) => el("li", null, item)));
const picture = (src, alt) => el("img", { src, alt });

/** A place for a picture, in its proportions before it is there. */
function frame(tag, shape, name, ...children) {
  const place = el(tag, { class: `frame ${name}` }, ...children);
  place.style.setProperty("--shape", shape || "auto");
  return place;
}

const WORDS = { landscape: "3 / 2", portrait: "2 / 3" };

/** The proportions that a size asks for: `1536x1024`, `16:9`, `landscape`; a square where the model decides. */
function shapeOf(size) {
  const [, width, height] = /^\s*(\d+)\s*[x×:]\s*(\d+)\s*$/i.exec(size ?? "") ?? [];
  return width > 0 && height > 0 ? `${Number(width)} / ${Number(height)}` : (WORDS[size] ?? "1 / 1");
}

function say(words) {
  for (const said of document.querySelectorAll(".said")) said.textContent = words;
}

