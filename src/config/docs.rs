//! `docs/configuration.md`, written from the table of settings.

use std::fmt::Write as _;

use super::settings::{self, Describe, Fallback, Setting};

const HEAD: &str = "\
<!-- Generated from src/config/settings.rs. Refresh with: UPDATE_DOCS=1 cargo test --test it docs -->
# Configuration

Nothing has to be configured but the API key. A setting's value is the strongest of these, the weakest first:

1. its default
2. the configuration file: `--config FILE`, else the file that `MCP_OPENAI_CONFIG` names, else `mcp-openai/config.toml`
   in your configuration folder (`~/.config` on Linux, `~/Library/Application Support` on macOS, `%APPDATA%` on Windows)
3. the environment
4. a flag: `--log-level`, `--log-format`, `http --bind`

An empty value, or a placeholder that nobody filled in (`${NAME}`, `$NAME`, `%NAME%`, `{{NAME}}`, `<NAME>` and their kin,
`sk-...`, `your-api-key`), counts as not set, and the placeholder is named in the log and by `doctor`. An unknown key in the file is an error,
and so is a setting that has no effect as the others are; those of another command, such as `http.*` with `stdio`, may be there.
`mcp-openai doctor` says what is set and where, and which variables of the environment are misspelt.

```toml
# mcp-openai/config.toml
drain = \"10s\" # keys without a section stand first

[openai]
api_key_file = \"~/.secrets/openai\"

[timeouts]
image = \"5m\"

[images]
dir = \"~/Pictures/ai\"

[clients.vscode] # or [clients.\"Visual Studio Code\"]
preview = \"never\"

[presets.review] # git diff | mcp-openai ask -p review
model = \"strong\"
template = \"Review this change: what breaks, what is missing?\"

[presets.linocut] # mcp-openai image -p linocut a red fox
template = \"{input}, linocut in three colours\"
size = \"landscape\"
```

`NAME` in `clients.NAME` is a key of the [table of clients](clients.md), or the name that a client gives itself. What is
set there goes before the general settings, and those before the table. `NAME` in `presets.NAME` is yours: `-p NAME` gives
`ask`, `chat` and `image` what is set there, as far as they take it; what is typed goes first.

The API key comes from the strongest layer that has one; within a layer `openai.api_key` goes before
`openai.api_key_file`, and that before `openai.api_key_command`. Without any of them it is the key that
[`mcp-openai key set`](install.md) keeps for this upstream. None is needed where `openai.headers` carries an
`authorization` or `api-key` header, with `--sandbox`, and at a base URL that is not OpenAI's.
Proxies are taken from `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.

Azure OpenAI, through its v1 API:

```toml
[openai]
base_url = \"https://NAME.openai.azure.com/openai/v1\"
headers = { api-key = \"...\" }
```
";

/// The whole page.
#[must_use]
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    let mut section = "";
    for setting in settings::ALL {
        let (of, _) = setting.key.split_once('.').unwrap_or(("the process", ""));
        if of != section {
            section = of;
            let _ = write!(
                page,
                "\n## {of}\n\n| key | environment | default | takes | what it is |\n|---|---|---|---|---|\n"
            );
        }
        page.push_str(&row(setting));
    }
    page
}

fn row(setting: &Setting<dyn Describe>) -> String {
    let env = setting.env.map_or_else(|| "-".to_owned(), |name| format!("`{name}`"));
    let default = match setting.default {
        Fallback::Is(text) => format!("`{text}`"),
        Fallback::Absent(words) => words.to_owned(),
    };
    format!("| `{}` | {env} | {default} | {} | {} |\n", setting.key, setting.shape.takes(), setting.about)
}
