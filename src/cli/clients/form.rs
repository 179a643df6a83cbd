//! The entry of a server, in the form that a client reads.

use super::tree::Tree;

/// The variable of the key.
const KEY: &str = "OPENAI_API_KEY";
/// The variable of the folders that files may be read from, and those in which people keep what they show to a chat.
const INPUTS: (&str, &str) = ("MCP_OPENAI_IMAGE_INPUTS", "~/Pictures,~/Downloads");

/// A literal token would lie open in a file that people share.
const NO_VARIABLES: &str = "is not known to fill variables into headers; leave out --token-env, and add the header \
                            `Authorization: Bearer TOKEN` as its manual says";

/// The way in which a client reaches mcp-openai.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Launch {
    /// It starts the program, and speaks with it over pipes.
    Stdio {
        /// Path of the program.
        command: String,
        /// Its arguments; with none it serves stdio.
        args: Vec<String>,
        /// The form in which `OPENAI_API_KEY` stands in the entry.
        key: KeyInFile,
    },
    /// It reaches a server that runs already.
    Http {
        /// The endpoint, path included, such as `http://127.0.0.1:8787/mcp`.
        url: String,
        /// The variable of the client's environment that holds the caller's token.
        token: Option<String>,
    },
}

/// The key in a client's file.
#[derive(Clone, PartialEq, Eq)]
pub enum KeyInFile {
    /// The name of the variable at most.
    Name,
    /// The key itself.
    Value(String),
}

/// Never shows the key.
impl std::fmt::Debug for KeyInFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Name => "Name",
            Self::Value(_) => "Value(..)",
        })
    }
}

/// The form of a server in a client's file.
#[derive(Debug, Clone, Copy)]
pub enum EntryForm {
    /// `command`, `args`, `env`; most clients' own.
    Usual {
        /// `type` of a server that is started.
        stdio: Option<&'static str>,
        http: HttpForm,
        passes: Passing,
        files: FileSource,
        /// The field by which the client allows tools: all of them.
        tools: Option<&'static str>,
    },
    Codex,
    Goose,
}

/// The entry of a server at a URL.
#[derive(Debug, Clone, Copy)]
pub enum HttpForm {
    /// The client's file takes none.
    No,
    /// The URL under this key, with this `type`.
    Url { key: &'static str, kind: Option<&'static str> },
}

/// The way in which a client passes its own `OPENAI_API_KEY` to the server.
#[derive(Debug, Clone, Copy)]
pub enum Passing {
    /// With its whole environment, or not at all: nothing is written.
    Unasked,
    /// This stands as the value.
    Reference(&'static str),
}

/// The files that the client's user means.
#[derive(Debug, Clone, Copy)]
pub enum FileSource {
    /// Those of the project that the client names, or that it starts the server in.
    Project,
    /// The client knows no project: files from folders that are named to the server.
    Folders,
}

impl EntryForm {
    /// The server called `name`, in this form.
    ///
    /// # Errors
    /// When the client's file can hold no such server: the reason and the remedy, to stand after the client's name.
    pub fn server(self, name: &str, launch: &Launch) -> Result<Tree, &'static str> {
        let members = match (self, launch) {
            (EntryForm::Usual { http: HttpForm::No, .. }, Launch::Http { .. }) => {
                return Err("takes no server URL in its file; leave out --http");
            }
            (
                EntryForm::Usual { http: HttpForm::Url { key, kind }, tools, passes, .. },
                Launch::Http { url, token },
            ) => {
                let kind = kind.map(|kind| ("type", Tree::text(kind)));
                let headers = token.as_deref().map(|token| passes.bearer(token)).transpose()?;
                let members = kind.into_iter().chain([(key, Tree::text(url))]);
                members.chain(headers.map(|headers| ("headers", headers))).chain(tools.map(all_tools)).collect()
            }
            (EntryForm::Usual { stdio, passes, files, tools, .. }, Launch::Stdio { command, args, key }) => {
                let mut members: Vec<_> = stdio.map(|kind| ("type", Tree::text(kind))).into_iter().collect();
                members.extend([("command", Tree::text(command)), ("args", texts(args))]);
                let env = variables(key, passes, files);
                members.extend((!env.is_empty()).then_some(("env", Tree::Map(env))));
                members.extend(tools.map(all_tools));
                members
            }
            (EntryForm::Codex, Launch::Http { url, token }) => {
                let token = token.as_ref().map(|token| ("bearer_token_env_var", Tree::text(token)));
                [("url", Tree::text(url))].into_iter().chain(token).collect()
            }
            (EntryForm::Codex, Launch::Stdio { command, args, key }) => {
                // Codex hands on no variable of its own but those that are named.
                // <https://developers.openai.com/codex/mcp>
                let key = match key {
                    KeyInFile::Name => ("env_vars", Tree::List(vec![Tree::text(KEY)])),
                    KeyInFile::Value(key) => ("env", Tree::Map(vec![(KEY.to_owned(), Tree::text(key))])),
                };
                vec![("command", Tree::text(command)), ("args", texts(args)), key]
            }
            (EntryForm::Goose, Launch::Http { url, token: None }) => {
                goose(name, "streamable_http", vec![("uri", Tree::text(url))])
            }
            (EntryForm::Goose, Launch::Http { token: Some(_), .. }) => return Err(NO_VARIABLES),
            (EntryForm::Goose, Launch::Stdio { command, args, key }) => {
                let started = vec![
                    ("cmd", Tree::text(command)),
                    ("args", texts(args)),
                    ("envs", Tree::Map(variables(key, Passing::Unasked, FileSource::Folders))),
                ];
                goose(name, "stdio", started)
            }
        };
        Ok(Tree::Map(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
    }
}

impl Passing {
    /// The headers by which the client sends the token in `variable`.
    fn bearer(self, variable: &str) -> Result<Tree, &'static str> {
        match self {
            Self::Unasked => Err(NO_VARIABLES),
            Self::Reference(key) => {
                // The name and never the token: the file may be shared, and lies in backups.
                let value = format!("Bearer {}", key.replace(KEY, variable));
                Ok(Tree::Map(vec![("Authorization".to_owned(), Tree::text(value))]))
            }
        }
    }
}

/// Returns whether a server in a client's file is mcp-openai: by what it starts, or by the URL that it would have now.
#[must_use]
pub fn is_ours(server: &Tree, new: Option<&Tree>) -> bool {
    let is_named = |text: &Tree| {
        let name = text.as_text().and_then(|text| text.rsplit(['/', '\\']).next()).unwrap_or_default();
        let name = name.strip_suffix(".exe").unwrap_or(name);
        // `npx -y mcp-openai@0.1.0` is ours, too.
        name.split('@').next() == Some("mcp-openai")
    };
    let started = ["command", "cmd"].iter().filter_map(|key| server.member(key));
    let args = server.member("args").map(Tree::items).unwrap_or_default();
    let is_at = |tree: &Tree| {
        let urls = ["url", "httpUrl", "serverUrl", "uri"];
        urls.iter().find_map(|key| tree.member(key)).cloned()
    };
    started.chain(args).any(is_named) || is_at(server).is_some() && is_at(server) == new.and_then(is_at)
}

/// The key itself in a server's entry; a client's reference to its environment is none.
#[must_use]
pub fn key_in(server: &Tree) -> Option<&str> {
    let variables = ["env", "envs"].iter().find_map(|name| server.member(name))?;
    variables.member(KEY)?.as_text().filter(|value| !value.is_empty() && !value.contains('$'))
}

fn variables(key: &KeyInFile, passes: Passing, files: FileSource) -> Vec<(String, Tree)> {
    let key = match (key, passes) {
        (KeyInFile::Value(key), Passing::Unasked | Passing::Reference(_)) => Some((KEY, key.as_str())),
        (KeyInFile::Name, Passing::Reference(reference)) => Some((KEY, reference)),
        (KeyInFile::Name, Passing::Unasked) => None,
    };
    let inputs = match files {
        FileSource::Project => None,
        FileSource::Folders => Some(INPUTS),
    };
    key.into_iter().chain(inputs).map(|(name, value)| (name.to_owned(), Tree::text(value))).collect()
}

fn goose(name: &str, kind: &str, started: Vec<(&'static str, Tree)>) -> Vec<(&'static str, Tree)> {
    // Seconds for a call: a slow one is handed out long before.
    let timeout = Tree::Digits("300".to_owned());
    let head = [("enabled", Tree::Switch(true)), ("type", Tree::text(kind)), ("name", Tree::text(name))];
    head.into_iter().chain(started).chain([("timeout", timeout)]).collect()
}

fn all_tools(key: &'static str) -> (&'static str, Tree) {
    (key, Tree::List(vec![Tree::text("*")]))
}

fn texts(texts: &[String]) -> Tree {
    Tree::List(texts.iter().map(Tree::text).collect())
}
