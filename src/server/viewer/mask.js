// A brush that paints over the part of a picture that an edit may change. It becomes a mask as the Images API takes it: a
// PNG as large as the picture, see-through where it was painted.

function askForPart(story, shot, view) {
  const mask = paintOver(view, shot);
  const size = el("input", { type: "range", min: 1, max: 25, value: 7, title: "Brush size", ariaLabel: "Brush size" });
  size.oninput = () => mask.widen(size.value / 100);
  const send = (words) => {
    const png = mask.png();
    if (!png) return say("Paint over what may change first."), false;
    return call("edit-image", { prompt: words, images: [shot.uri], mask: png });
  };
  // The mask is too long for a message, so that the viewer makes the call itself.
  return el("div", { class: "brush" },
    el("div", { class: "actions" }, el("label", null, "Brush", size), toggle("eraser", "Erase", mask.erase),
      wordy("undo", "Undo", mask.undo), wordy("close", "Clear", mask.clear)),
    composer("What should change where you painted?", "", send, true));
}

function paintOver(view, { width, height }) {
  const label = "Where the picture may change: arrow keys move the brush, the space bar paints";
  const canvas = el("canvas", { width, height, tabIndex: 0, role: "application", ariaLabel: label });
  const ring = el("span", { class: "ring", hidden: true });
  const pen = Object.assign(canvas.getContext("2d", { willReadFrequently: true }), { lineCap: "round", lineJoin: "round", strokeStyle: "#2f6fff" });
  const strokes = [];
  let thickness, erases = false, open = null;
  let at = { x: width / 2, y: height / 2 };

  const widen = (share) => {
    thickness = share * Math.max(width, height);
    place();
  };

  function place() {
    const scale = canvas.clientWidth / width;
    const [left, top] = [canvas.offsetLeft + at.x * scale, canvas.offsetTop + at.y * scale];
    Object.assign(ring.style, { left: `${left}px`, top: `${top}px`, width: `${thickness * scale}px` });
  }

  function draw({ erases: removes, thickness: lineWidth, points }) {
    Object.assign(pen, { globalCompositeOperation: removes ? "destination-out" : "source-over", lineWidth });
    pen.beginPath();
    // A line of no length has no round ends in some browsers.
    pen.moveTo(points[0].x - 0.01, points[0].y);
    for (const { x, y } of points) pen.lineTo(x, y);
    pen.stroke();
  }

  function again() {
    pen.clearRect(0, 0, width, height);
    strokes.forEach(draw);
  }

  const begin = () => strokes.push((open = { erases, thickness, points: [at] })) && draw(open);

  function follow({ offsetX, offsetY }) {
    const scale = width / canvas.clientWidth;
    at = { x: offsetX * scale, y: offsetY * scale };
    ring.hidden = false;
    place();
    if (!open) return;
    draw({ ...open, points: [open.points.at(-1), at] });
    open.points.push(at);
  }

  canvas.onpointerdown = (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    follow(event);
    begin();
  };
  canvas.onpointermove = follow;
  canvas.onpointerup = canvas.onpointercancel = () => (open = null);
  canvas.onpointerleave = canvas.onblur = () => (ring.hidden = true);
  canvas.onfocus = () => {
    ring.hidden = false;
    place();
  };
  canvas.onkeydown = (event) => {
    const [right, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
    if (event.key !== " " && !right && !down) return;
    event.preventDefault();
    const within = (value, most) => Math.min(Math.max(value, 0), most);
    at = { x: within(at.x + (right * thickness) / 3, width), y: within(at.y + (down * thickness) / 3, height) };
    place();
    if (event.key === " ") begin();
    open = null;
  };

  /** Black where the picture stays, see-through where it was painted; nothing in between. `null` when nothing was. */
  function png() {
    const { data } = pen.getImageData(0, 0, width, height);
    const mask = el("canvas", { width, height });
    const image = new ImageData(width, height);
    let painted = false;
    for (let alpha = 3; alpha < data.length; alpha += 4) {
      // The edges of strokes are half see-through, and the API edits only what is wholly so.
      if (data[alpha] > 127) painted = true;
      else image.data[alpha] = 255;
    }
    mask.getContext("2d").putImageData(image, 0, 0);
    return painted ? mask.toDataURL("image/png") : null;
  }

  view.append(canvas, ring);
  widen(0.07);
  return {
    widen,
    png,
    erase: (on) => (erases = on),
    undo: () => strokes.pop() && again(),
    clear: () => (strokes.length = 0) || again(),
  };
}

