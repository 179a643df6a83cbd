// Questions to the host: messages, tools, originals, copies and downloads.

const host = connect({
  "ping": () => {},
  "ui/notifications/tool-input-partial": ({ arguments: input }) => first.hear(input),
  "ui/notifications/tool-input": ({ arguments: input }) => first.expect(input),
  "ui/notifications/tool-result": (result) => first.take(result),
  "ui/notifications/tool-cancelled": ({ reason }) => first.cancelled(reason),
  "ui/notifications/host-context-changed": dress,
  "ui/resource-teardown": () => {
    over = true;
  },
});

const callTool = (name, input) => host.request("tools/call", { name, arguments: input });

/** Asks, and says what became of it. */
async function ask(method, params, done, refused) {
  try {
    // A host may refuse by an error, or by a result that says so.
    const { isError } = await host.request(method, params);
    say(isError ? refused : done);
  } catch (error) {
    say(`${refused} (${error.message})`);
  }
}

const message = (text) =>
  ask("ui/message", { role: "user", content: [{ type: "text", text }] },
    "Sent to the conversation.", "The conversation did not take the message.");

/** The new result stands below those that are there. */
const call = (tool, input) => callInto(section(), tool, input);

async function callInto(story, tool, input) {
  story.tool = tool;
  story.expect(input);
  try {
    const result = await callTool(tool, input);
    story.take(result);
    inform(result);
  } catch (error) {
    story.take({ isError: true, content: [{ type: "text", text: `The host did not make the call: ${error.message}` }] });
  }
}

/** The model learns of what was made without it, where the host passes that on. */
function inform(result) {
  if (!can.updateModelContext || result.isError) return;
  host.request("ui/update-model-context", { content: ofType(result, "text") }).catch(() => {});
}

/** Asked for once. Without it the preview stays: some hosts read no resources for the viewer. */
function original(shot) {
  if (!can.serverResources || !shot.uri) return Promise.resolve(null);
  shot.original ??= host.request("resources/read", { uri: shot.uri }).then(
    ({ contents }) => contents?.[0] && dataUrl(contents[0]),
    () => null,
  );
  return shot.original;
}

/** Neither shown nor to be had. */
const unseen = (shot) => shot && !shot.awaited && !shot.seen && !(shot.uri && can.serverResources);

async function download(shot) {
  const url = (await original(shot)) ?? shot.seen;
  const elsewhere = `Not downloaded. The original lies at ${shot.path}.`;
  if (!url) return say(elsewhere);
  const [, mimeType, blob] = url.match(/^data:(.*?);base64,(.*)$/);
  // A preview may be of another format than its original.
  const name = shot.name.replace(/(\.\w+)?$/, `.${mimeType.slice(6).replace("jpeg", "jpg")}`);
  // A sandbox without allow-downloads ignores the link, so the host is asked where it can be.
  if (!can.downloadFile) return el("a", { href: url, download: name }).click();
  const resource = { uri: `file:///${encodeURIComponent(name)}`, mimeType, blob };
  return ask("ui/download-file", { contents: [{ type: "resource", resource }] }, `${name} is downloaded.`, elsewhere);
}

/** The picture itself, where the host lets the viewer write to the clipboard; else its path. */
async function copy(shot) {
  try {
    // A promise within, so that the click still counts once the original is here.
    await navigator.clipboard.write([new ClipboardItem({ "image/png": asPng(shot) })]);
    say("The picture is copied.");
  } catch {
    copyText(shot.path ?? shot.uri, "This host lets no picture be copied: its path is copied instead.");
  }
}

async function asPng(shot) {
  const image = picture((await original(shot)) ?? shot.seen, "");
  await image.decode();
  const canvas = el("canvas", { width: image.naturalWidth, height: image.naturalHeight });
  canvas.getContext("2d").drawImage(image, 0, 0);
  return new Promise((done) => canvas.toBlob(done));
}

/** Without the permission that `navigator.clipboard` needs: many hosts do not give it. */
function copyText(text, done) {
  const fill = (event) => {
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
  };
  document.addEventListener("copy", fill);
  const copied = text && document.execCommand("copy");
  document.removeEventListener("copy", fill);
  say(copied ? done : `Not copied${text ? `: ${text}` : "."}`);
}

/** With a message the conversation goes on. Else the viewer calls the tool, and asks before: it costs money. */
function offers(story, shot) {
  const { uri } = shot;
  const able = (uri && can.message) || can.serverTools;
  const more = () => (uri && can.message ? message(`Make another picture like ${uri}.`) : enlarge(story, shot, askForMore));
  return {
    edit: uri && able && ["Edit this one", () => enlarge(story, shot, askForEdit)],
    brush: uri && shot.width && can.serverTools && ["Edit a part", () => enlarge(story, shot, askForPart)],
    more: able && ["More like this", more],
    copy: !unseen(shot) && ["Copy", () => copy(shot)],
    download: !unseen(shot) && ["Download", () => download(shot)],
  };
}

function actions(story, shot, shape, names = ["edit", "brush", "more", "copy", "download"]) {
  const offered = offers(story, shot);
  return names.filter((name) => offered[name]).map((name) => shape(name, ...offered[name]));
}

