//! The table of clients: where each keeps its servers, and in which form. Claude Code, Codex, Gemini CLI and Copilot CLI
//! themselves are asked by `.ci/clients/run` whether they see what is written; the others' rows are as their manuals have
//! them.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    form::{EntryForm, FileSource, HttpForm, Passing},
    places::{Places, Platform, Root, beneath},
    syntax::Syntax,
    tree::Tree,
};

/// A program that speaks MCP, and where it keeps its servers.
#[derive(Debug)]
pub struct Application {
    /// As typed.
    pub id: &'static str,
    /// For people, such as `Claude Desktop`.
    pub name: &'static str,
    /// Of the file that holds its servers.
    pub syntax: Syntax,
    /// The top-level key below which servers stand.
    pub section: &'static str,
    /// Of one server below `section`.
    pub form: EntryForm,
    user: SettingsLocation,
    /// The place on Windows, where it differs by more than the root.
    windows: Option<SettingsLocation>,
    /// The file of a project, from its folder on.
    project: Option<&'static str>,
    /// The key of a server's own time limit for a call, and its unit.
    time_limit: Option<(&'static str, Duration)>,
}

/// A client's file, and what shows that the client is there.
#[derive(Debug, Clone, Copy)]
struct SettingsLocation {
    root: Root,
    file: &'static str,
    sign: &'static str,
}

/// For whom a server is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Scope {
    /// Everything that this user does
    #[default]
    User,
    /// One project, in a file that may be shared with others
    Project,
}

const fn at(root: Root, file: &'static str, sign: &'static str) -> SettingsLocation {
    SettingsLocation { root, file, sign }
}

/// Of a client that may name a project.
const fn usual(stdio: Option<&'static str>, http: HttpForm, passes: Passing) -> EntryForm {
    EntryForm::Usual { stdio, http, passes, files: FileSource::Project, tools: None }
}

/// Of a client that knows no project.
const fn without_project(http: HttpForm, passes: Passing) -> EntryForm {
    EntryForm::Usual { stdio: None, http, passes, files: FileSource::Folders, tools: None }
}

const fn url(key: &'static str) -> HttpForm {
    HttpForm::Url { key, kind: None }
}

const fn typed(kind: &'static str) -> HttpForm {
    HttpForm::Url { key: "url", kind: Some(kind) }
}

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Every client that `mcp-openai install` knows, in the order of its help.
pub const CLIENTS: [Application; 12] = [
    Application {
        id: "claude-desktop",
        name: "Claude Desktop",
        syntax: Syntax::Json,
        section: "mcpServers",
        // Servers by URL are connectors, which its settings add and no file.
        form: without_project(HttpForm::No, Passing::Unasked),
        user: at(Root::Settings, "Claude/claude_desktop_config.json", "Claude"),
        windows: None,
        project: None,
        time_limit: None,
    },
    Application {
        id: "claude-code",
        name: "Claude Code",
        syntax: Syntax::Json,
        section: "mcpServers",
        // With `:-`: a variable that is not set, and has no default, makes it refuse the whole file.
        // <https://code.claude.com/docs/en/mcp#environment-variable-expansion-in-mcp-json>
        form: usual(Some("stdio"), typed("http"), Passing::Reference("${OPENAI_API_KEY:-}")),
        user: at(Root::Own { variable: "CLAUDE_CONFIG_DIR", otherwise: "" }, ".claude.json", ".claude.json"),
        windows: None,
        project: Some(".mcp.json"),
        time_limit: Some(("timeout", MILLISECOND)),
    },
    Application {
        id: "cursor",
        name: "Cursor",
        syntax: Syntax::Json,
        section: "mcpServers",
        form: usual(None, url("url"), Passing::Reference("${env:OPENAI_API_KEY}")),
        user: at(Root::Home, ".cursor/mcp.json", ".cursor"),
        windows: None,
        project: Some(".cursor/mcp.json"),
        time_limit: None,
    },
    Application {
        id: "vscode",
        name: "VS Code",
        syntax: Syntax::Json,
        section: "servers",
        form: usual(Some("stdio"), typed("http"), Passing::Unasked),
        user: at(Root::Settings, "Code/User/mcp.json", "Code"),
        windows: None,
        project: Some(".vscode/mcp.json"),
        time_limit: None,
    },
    Application {
        id: "windsurf",
        name: "Windsurf",
        syntax: Syntax::Json,
        section: "mcpServers",
        form: without_project(url("serverUrl"), Passing::Reference("${env:OPENAI_API_KEY}")),
        user: at(Root::Home, ".codeium/windsurf/mcp_config.json", ".codeium/windsurf"),
        windows: None,
        project: None,
        time_limit: None,
    },
    Application {
        id: "zed",
        name: "Zed",
        syntax: Syntax::Json,
        section: "context_servers",
        form: usual(None, url("url"), Passing::Unasked),
        user: at(Root::DotConfig, "zed/settings.json", "zed"),
        windows: Some(at(Root::Settings, "Zed/settings.json", "Zed")),
        project: Some(".zed/settings.json"),
        time_limit: None,
    },
    Application {
        id: "cline",
        name: "Cline",
        syntax: Syntax::Json,
        section: "mcpServers",
        form: without_project(typed("streamableHttp"), Passing::Unasked),
        user: at(
            Root::Settings,
            "Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
            "Code/User/globalStorage/saoudrizwan.claude-dev",
        ),
        windows: None,
        project: None,
        time_limit: Some(("timeout", SECOND)),
    },
    Application {
        id: "goose",
        name: "Goose",
        syntax: Syntax::Yaml,
        section: "extensions",
        form: EntryForm::Goose,
        user: at(Root::DotConfig, "goose/config.yaml", "goose"),
        windows: Some(at(Root::Settings, "Block/goose/config/config.yaml", "Block/goose")),
        project: None,
        time_limit: Some(("timeout", SECOND)),
    },
    Application {
        id: "lm-studio",
        name: "LM Studio",
        syntax: Syntax::Json,
        section: "mcpServers",
        form: without_project(url("url"), Passing::Unasked),
        user: at(Root::Home, ".lmstudio/mcp.json", ".lmstudio"),
        windows: None,
        project: None,
        time_limit: None,
    },
    Application {
        id: "copilot-cli",
        name: "Copilot CLI",
        syntax: Syntax::Json,
        section: "mcpServers",
        form: EntryForm::Usual {
            stdio: Some("local"),
            http: typed("http"),
            passes: Passing::Unasked,
            files: FileSource::Project,
            tools: Some("tools"),
        },
        user: at(Root::Own { variable: "COPILOT_HOME", otherwise: ".copilot" }, "mcp-config.json", ""),
        windows: None,
        project: None,
        time_limit: Some(("timeout", MILLISECOND)),
    },
    Application {
        id: "codex",
        name: "Codex CLI",
        syntax: Syntax::Toml,
        section: "mcp_servers",
        form: EntryForm::Codex,
        user: at(Root::Own { variable: "CODEX_HOME", otherwise: ".codex" }, "config.toml", ""),
        windows: None,
        project: Some(".codex/config.toml"),
        time_limit: Some(("tool_timeout_sec", SECOND)),
    },
    Application {
        id: "gemini-cli",
        name: "Gemini CLI",
        syntax: Syntax::Json,
        section: "mcpServers",
        // It hides what is called a key from servers, unless it is named.
        form: usual(None, url("httpUrl"), Passing::Reference("$OPENAI_API_KEY")),
        user: at(Root::Home, ".gemini/settings.json", ".gemini"),
        windows: None,
        project: Some(".gemini/settings.json"),
        time_limit: Some(("timeout", MILLISECOND)),
    },
];

/// The client that is meant.
///
/// # Errors
/// An unknown one, with those that it may stand for.
pub fn named(id: &str) -> Result<&'static Application, String> {
    if let Some(known) = CLIENTS.iter().find(|known| known.id.eq_ignore_ascii_case(id)) {
        return Ok(known);
    }
    let likeness = |known: &Application| strsim::jaro_winkler(&id.to_ascii_lowercase(), known.id);
    let mut like: Vec<_> = CLIENTS.iter().map(|known| (likeness(known), known.id)).collect();
    // Not the fewest letters to change, which favours short names: `claude` would be nearest to `cline`.
    like.retain(|(likeness, _)| *likeness > 0.8);
    like.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    let like: Vec<_> = like.iter().map(|(_, id)| format!("`{id}`")).collect();
    let hint = if like.is_empty() { String::new() } else { format!("Did you mean {}? ", like.join(" or ")) };
    Err(format!("no such client is known. {hint}They are {}", CLIENTS.map(|known| known.id).join(", ")))
}

impl Application {
    /// The file in which its servers stand.
    ///
    /// # Errors
    /// When it has none for a project.
    pub fn file(&self, scope: Scope, places: &Places, project: &Path) -> Result<PathBuf, String> {
        match (scope, self.project) {
            (Scope::Project, Some(file)) => Ok(beneath(project, file)),
            (Scope::Project, None) => Err(format!("{} has no file for a project; leave --scope away", self.name)),
            (Scope::User, _) => {
                let location = self.location(places.platform);
                // The Microsoft Store's Claude reads only its own copy of the folder.
                let packaged = places.packaged_settings(self.name.split(' ').next().unwrap_or_default());
                match packaged {
                    Some(folder) if self.id == "claude-desktop" => Ok(beneath(&folder, location.file)),
                    Some(_) | None => Ok(places.find(location.root, location.file)),
                }
            }
        }
    }

    /// The time after which it gives a call to this server up, where its file says so.
    #[must_use]
    pub fn patience(&self, server: &Tree) -> Option<Duration> {
        let (key, unit) = self.time_limit?;
        match server.member(key)? {
            Tree::Digits(digits) => {
                Some(unit.mul_f64(digits.parse().ok().filter(|&count: &f64| (0.0..1e9).contains(&count))?))
            }
            Tree::Null | Tree::Switch(_) | Tree::Text(_) | Tree::List(_) | Tree::Map(_) => None,
        }
    }

    /// Returns whether the client seems to be on this machine.
    #[must_use]
    pub fn is_found(&self, places: &Places) -> bool {
        let location = self.location(places.platform);
        let packaged = self.id == "claude-desktop" && places.packaged_settings("Claude").is_some();
        packaged || places.find(location.root, location.sign).exists()
    }

    fn location(&self, platform: Platform) -> SettingsLocation {
        match (platform, self.windows) {
            (Platform::Windows, Some(windows)) => windows,
            (Platform::Linux | Platform::Macos | Platform::Windows, _) => self.user,
        }
    }
}
