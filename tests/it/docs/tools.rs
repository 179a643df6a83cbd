//! `docs/tools.md`, written from what the server answers to `tools/list`.

use mcp_openai::{
    app::App,
    config::{Config, Flags, Upstream},
};
use serde_json::{Value, json};

use super::schema;
use crate::session::Session;

const HEAD: &str = "\
<!-- Generated from what tools/list answers. Refresh with: UPDATE_DOCS=1 cargo test --test it docs -->
# Tools

A result comes in several forms, so that every client can show it: a text that stands alone; for pictures, previews to
look at; and the fields below as `structuredContent`, which never holds the pictures themselves. A field that is not known
is left away. The text names each picture by its path and its URI (`image://ID`, which `resources/read` gives whole);
clients known to use links get those too. One line under an answer or a set of pictures says model, quality, cost and
time.

A caller on another machine (over HTTP, with a token) cannot name files of the server: it is listed no paths, globs, git and
`save_to`, and gives data URLs, https URLs (with `images.allow_urls`) and `image://` URIs.

`show-gallery` is listed for clients that declare MCP Apps (`io.modelcontextprotocol/ui`), the others for all.

A failed call has `isError` and only the field `error`: see [errors.md](errors.md).

With a progress token a call reports its stages at least every 10 s; a text answer's new words come in
`_meta[\"mcp-openai/delta\"]` of each progress message, and the deltas in order are the answer, which the result repeats
whole. A cancelled call ends its request within 200 ms; what is paid for is kept.

A call that takes longer than its client waits (`answer_within`) is answered with `status` running and a `job`, and goes
on by itself. get-result waits for it and gives what the call would have given, as often as asked, also after a restart
of the server; a client of 2026-07-28 that declares MCP's tasks extension gets a task instead. A job is its caller's alone, and its
result is kept for `jobs.keep_for`. A client that times out, or that cancels because it timed out, loses nothing; one
that cancels for another reason ends the call. A job whose server ended while it ran gives the pictures that were saved,
or the error `interrupted`; an answer that OpenAI writes in its background (`openai.background`) goes on without the
server, and the next one that is asked for the job delivers it.

Arguments are checked before anything is sent. What is clear is taken however it was sent: `\"\"` for what is left out, a
list or an object as JSON text, a single path for a list, `100.0` for 100; and what hosts add of their own
(`wait_for_previous`, and n8n's fields) is dropped. What is refused is told with the
allowed values. What makes sense but does not suit the model is left out with a warning.

Attachments are known by their bytes, never by their names: pictures (PNG, JPEG, WebP, 20 MB each), PDFs (32 MB) and text
in UTF-8 or UTF-16 (2 MB), 20 of them and 36 MB at most. Text goes in as text under its file's name. With a `schema` (a
JSON Schema of an object, 100 kB at most, that refers to nothing outside itself) an answer is a success only if it fits,
formats included; `value` is the answer as data. One that does not fit is the error `bad_response`, with the reason, the
answer and what it cost. OpenAI itself holds the model to schemas in which every property is required, no others are
allowed, and no keyword goes beyond its structured outputs; to others the model is only asked to keep.
";

/// The whole page.
pub fn markdown() -> String {
    listed().iter().fold(HEAD.to_owned(), |page, tool| page + &section(tool))
}

/// Every tool, as a client gets it.
pub fn listed() -> Vec<Value> {
    let directory = tempfile::tempdir().unwrap();
    let no_settings = directory.path().join("none.toml");
    std::fs::write(&no_settings, "").unwrap();
    let flags = Flags { file: Some(no_settings), upstream: Upstream::Configured, settings: Vec::new() };
    let config = Config::load_from(&flags, |_| None).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let server = runtime.block_on(App::build(config)).unwrap().server();
    server.listing().iter().map(|tool| serde_json::to_value(tool).unwrap()).collect()
}

/// One call of each tool, of a project that has a picture and a source.
fn example(tool: &str) -> Value {
    match tool {
        "ask-openai" => json!({
            "query": "Where can this queue deadlock? Answer with line numbers.",
            "attachments": ["src/**/*.rs", "git:diff"],
            "reasoning_effort": "high",
            "dry_run": true,
        }),
        "create-image" => json!({
            "prompt": "A red fox in fresh snow, as a linocut, with the word WINTER in the lower left corner",
            "size": "16:9",
            "quality": "low",
            "save_to": "docs/fox.png",
        }),
        "edit-image" => json!({
            "prompt": "The same scene at night; keep the fox as it is",
            "images": ["docs/fox.png"],
            "quality": "low",
        }),
        "get-result" => json!({ "job": "job_0123456789abcdefghjkmnpqrs", "wait_seconds": 30 }),
        "list-models" => json!({ "kind": "image" }),
        "show-gallery" => json!({ "search": "fox", "page": 1 }),
        other => panic!("{other} has no example"),
    }
}

#[tokio::test]
async fn every_example_is_a_call_that_is_answered() {
    let project = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let mut git = std::process::Command::new("git");
        assert!(
            git.current_dir(project.path())
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .args(arguments)
                .status()
                .unwrap()
                .success()
        );
    };
    std::fs::create_dir(project.path().join("src")).unwrap();
    std::fs::write(project.path().join("src/queue.rs"), "fn enter() {}\n").unwrap();
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    std::fs::write(project.path().join("src/queue.rs"), "fn leave() {}\n").unwrap();
    let settings = vec![("MCP_OPENAI_PROJECT", project.path().display().to_string())];
    let mut session = Session::start_at(Upstream::Sandbox, settings).await;
    for tool in session.request("tools/list", json!({})).await["tools"].as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        let result = session.call(name, example(name)).await;
        // There is no such job; all else succeeds.
        let expected = if name == "get-result" { json!("not_found") } else { Value::Null };
        assert_eq!(result["structuredContent"]["error"]["code"], expected, "{name}: {result}");
    }
    assert!(project.path().join("docs/fox.png").exists());
}

fn section(tool: &Value) -> String {
    let text = |field: &str| tool[field].as_str().unwrap();
    let (name, title, description) = (text("name"), text("title"), text("description"));
    let hint = |name: &str| tool["annotations"][name].as_bool();
    let effect = match (hint("readOnlyHint"), hint("idempotentHint")) {
        (Some(true), _) => "It changes nothing.",
        (_, Some(true)) => "It ends what the caller began, if asked to, and changes nothing else.",
        _ => "It adds, and changes or removes nothing that is there.",
    };
    let example = example(name);
    let arguments = schema::rows(&tool["inputSchema"]);
    let mut output = tool["outputSchema"].clone();
    output["properties"].as_object_mut().unwrap().remove("error");
    let fields = schema::rows(&output);
    format!(
        "
## {name}

**{title}.** {description} {effect}

```json
{example:#}
```

| argument | takes | what it is |
|---|---|---|
{arguments}
| result | holds | what it is |
|---|---|---|
{fields}"
    )
}
