// What is asked of the host: messages, tools, originals, downloads.

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
    const { isError } = await host.request(method, params);
    say(isError ? refused : done);
  } catch (error) {
    say(`${refused} (${error.message})`);
  }
}

const message = (text) =>
  ask("ui/message", { role: "user", content: [{ type: "text", text }] },
    "Sent to the conversation.", "The conversation did not take the message.");

/** Asked for once. Without it the preview stays: some hosts read no resources for the viewer. */
function original(shot) {
  if (!can.serverResources || !shot.uri) return Promise.resolve(null);
  shot.original ??= host.request("resources/read", { uri: shot.uri }).then(
    ({ contents }) => contents?.[0] && dataUrl(contents[0]),
    () => null,
  );
  return shot.original;
}

async function download(shot) {
  const url = (await original(shot)) ?? shot.seen;
  const elsewhere = `Not downloaded. The original lies at ${shot.path}.`;
  if (!url) return say(elsewhere);
  const [, mimeType, blob] = url.match(/^data:(.*?);base64,(.*)$/);
  // A preview may be of another format than its original.
  const name = shot.name.replace(/(\.\w+)?$/, `.${mimeType.slice(6).replace("jpeg", "jpg")}`);
  if (!can.downloadFile) return el("a", { href: url, download: name }).click();
  const resource = { uri: `file:///${encodeURIComponent(name)}`, mimeType, blob };
  return ask("ui/download-file", { contents: [{ type: "resource", resource }] }, `${name} is downloaded.`, elsewhere);
}

/** With a message the conversation goes on. Else the viewer calls the tool, and asks before: it costs money. */
function actions(story, shot, shape) {
  const { uri } = shot;
  const able = (uri && can.message) || can.serverTools;
  const more = () => (uri && can.message ? message(`Make another picture like ${uri}.`) : enlarge(story, shot, askForMore));
  return [
    uri && able && shape("edit", "Edit this one", () => enlarge(story, shot, askForEdit)),
    able && shape("more", "More like this", more),
    !unseen(shot) && shape("download", "Download", () => download(shot)),
  ];
}

