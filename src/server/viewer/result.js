// From a tool's result, as the host hands it over, to what there is to see. Knows neither the page nor the host.

// Not SVG, which may hold scripts and load from elsewhere.
const PICTURE = /^image\/(png|jpeg|webp|gif)$/;

/** Only pictures become addresses: nothing else from outside is ever loaded. */
const dataUrl = ({ data, blob, mimeType }) => (PICTURE.test(mimeType) ? `data:${mimeType};base64,${data ?? blob}` : null);

const ofType = (result, type) => (result.content ?? []).filter((block) => block?.type === type);

const fileName = (path) => path?.split(/[\\/]/).pop();

/** What a result of `create-image`, `edit-image` or `get-result` tells. Also without structured content. */
function readResult(result, input = {}) {
  const told = result.structuredContent ?? {};
  const [text = "", ...asides] = ofType(result, "text").map((block) => block.text);
  const notes = asides.filter((aside) => aside.startsWith("Note: "));
  const links = ofType(result, "resource_link");
  const previews = ofType(result, "image").map(dataUrl).filter(Boolean);
  const isGallery = told.page !== undefined;
  const prompt = input.prompt ?? (isGallery ? undefined : links[0]?.title);
  const common = { told, text, prompt, warnings: [...(told.warnings ?? notes.map((note) => note.replace(/^Note: /, "")))] };

  if (result.isError || told.error) return { ...common, kind: "failed", error: told.error ?? { message: text } };
  if (told.status === "running") return { ...common, kind: "running", sketches: previews };

  const images = told.images ?? (links.length ? links.map(fromLink) : previews.map(() => ({})));
  const failed = (told.failed ?? []).map((failure) => missed(failure, common.warnings));
  if (!images.length && !failed.length && text && !isGallery) return { ...common, kind: "text" };

  // Fewer previews than pictures: which is which cannot be known, or one shows them all.
  const each = previews.length === images.length;
  const places = placesBetween(failed, images.length);
  const pictures = images.map((image, at) => ({
    ...image,
    number: places[at],
    name: fileName(image.path) ?? `picture-${at + 1}.png`,
    seen: each ? previews[at] : null,
  }));
  return { ...common, kind: isGallery ? "gallery" : "pictures", pictures, failed, overview: each ? [] : previews };
}

/** Pictures stand in the order in which they were asked for, and those that failed keep their places. */
function placesBetween(failed, count) {
  const taken = new Set(failed.map(({ number }) => number));
  const numbers = Array.from({ length: count + taken.size }, (_, at) => at + 1);
  return numbers.filter((number) => !taken.has(number));
}

/** Why a picture was not made, once: its warning has the same words, and a remedy after them. */
function missed({ index, error }, warnings) {
  const start = `Picture ${index + 1} failed: `;
  const at = warnings.findIndex((warning) => warning.startsWith(start));
  const [warning] = at < 0 ? [] : warnings.splice(at, 1);
  return { number: index + 1, why: warning?.slice(start.length) ?? error?.message, retryable: error?.retryable };
}

/** What an edit began from: as the call named it, else as the result tells. Our own pictures are known by their names. */
function sourcesOf(input, pictures = []) {
  const named = input.images ?? pictures.find(({ made_from }) => made_from)?.made_from ?? [];
  return [named].flat().filter((name) => typeof name === "string").map((name) => {
    const inline = name.startsWith("data:");
    const seen = inline && PICTURE.test(name.slice(5).split(";")[0]) ? name : null;
    const id = fileName(name);
    const uri = /^\d{8}-\d{6}-\w{6}[\w-]*\.\w+$/.test(id) ? `image://${id}` : undefined;
    return { name: inline ? "the picture that came with the call" : id, uri, seen };
  });
}

const fromLink = ({ uri, name, mimeType, size }) => ({ uri, path: name, media_type: mimeType, bytes: size });

/** Model, size, quality, cost and time, as far as they are known, each in a few characters. */
function facts({ told, pictures }, locale) {
  const sizes = new Set(pictures.map(dimensions).filter(Boolean));
  const cost = told.cost_usd === undefined ? null : money(told.cost_usd, locale);
  const replaced = told.requested_model && `for ${told.requested_model}`;
  const model = [told.model, replaced].filter(Boolean).join(" ");
  const quality = told.quality && `${told.quality} quality`;
  const ground = pictures.length === 1 && pictures[0].transparent && "transparent background";
  return [model, ...sizes, ground, quality, cost, told.elapsed_ms && duration(told.elapsed_ms)].filter(Boolean);
}

/** The words under a picture: what tells it from its neighbours. */
function caption({ prompt, pictures, places }, shot, locale) {
  const own = shot.revised_prompt || shot.prompt;
  const stem = shot.name.replace(/^\d{8}-\d{6}-\w{6}-?|\.\w+$/g, "").replaceAll("-", " ");
  const alike = new Set(pictures.map(dimensions)).size === 1;
  const words = own && own !== prompt ? own : stem || (places > 1 ? `Picture ${shot.number}` : prompt);
  return [dayOf(shot, locale), words, !shot.made_at && !alike && dimensions(shot), shot.transparent && "transparent"].filter(Boolean).join(" · ");
}

/** What the record of a picture made earlier says; of a new one the facts below all of them say it. */
const known = (shot, locale) =>
  [dayOf(shot, locale), shot.model, dimensions(shot), shot.cost_usd !== undefined && money(shot.cost_usd, locale)];

const dayOf = ({ made_at: at }, locale) => at && new Date(at).toLocaleDateString(locale, { day: "numeric", month: "short" });

const dimensions = ({ width, height }) => (width && height ? `${width} × ${height}` : null);

const money = (usd, locale) =>
  new Intl.NumberFormat(locale, { style: "currency", currency: "USD", maximumFractionDigits: 4 }).format(usd);

const duration = (ms) => {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${Math.max(seconds, 1)} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
};

const weight = (bytes) =>
  bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.max(1, Math.round(bytes / 1e3))} kB`;

