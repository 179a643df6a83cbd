//! The configuration: defaults < file < environment < flags. The only reader of the environment; knows where each
//! value came from.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use url::Url;

use crate::{
    artifact, catalogue, conversation,
    inputs::{self, Project, ProjectOrigin},
    job, ledger, openai, queue,
    server::profile::{self, Patience},
    store, telemetry, text, tools, transport,
};

mod callers;
mod docs;
mod error;
mod file;
mod http;
mod key;
mod layers;
mod needs;
mod pictures;
mod preset;
pub mod settings;
pub mod shape;
mod traces;
mod unused;
mod upstream;

pub use docs::markdown;
pub use error::{Error, Problem, ValueSource};
pub use key::SettingKey;
pub use layers::Unfilled;
pub use preset::Preset;

use layers::{Layers, SetValue};

/// Claude Code's word for the folder that its user works in.
const CLAUDE_PROJECT: &str = "CLAUDE_PROJECT_DIR";
/// Names the configuration file.
const FILE_VARIABLE: &str = "MCP_OPENAI_CONFIG";

/// Everything, checked; each component takes its own part.
#[derive(Debug, Clone)]
pub struct Config {
    /// `openai.*` and `limits.*`; with `--sandbox` without key, headers, query, organization and project.
    pub openai: openai::Config,
    /// `models.*`, and the upstream whose models and prices count.
    pub catalogue: catalogue::Config,
    /// `queue.*`.
    pub queue: queue::Config,
    /// `timeouts.*`.
    pub timeouts: tools::Timeouts,
    /// `images.dir`, `images.store` and how long what is in them is kept.
    pub images: artifact::Config,
    /// `images.inputs` and `project`; `images.dir` may always be read.
    pub inputs: inputs::Config,
    /// `images.allow_urls`.
    pub image_urls: tools::ImageUrls,
    /// `store.url`, else `state.dir`; with `--sandbox` the folder `sandbox` in the latter.
    pub store: store::Config,
    /// `jobs.*`.
    pub jobs: job::Config,
    /// `conversations.*`.
    pub conversations: conversation::Config,
    /// `spend.*`.
    pub ledger: ledger::Config,
    /// `answer_within`, `preview.*` and `clients.NAME.*`.
    pub clients: profile::Config,
    /// By their names.
    pub presets: BTreeMap<String, Preset>,
    /// `http.*`.
    pub http: transport::http::Config,
    /// `log.*`.
    pub log: telemetry::Config,
    /// `traces.*`; `None` sends none.
    pub traces: Option<Arc<telemetry::traces::TraceCollector>>,
    /// `--sandbox`: the upstream is the embedded sandbox.
    pub upstream: Upstream,
    /// Time that calls in flight may still run once the process is asked to end: `drain`.
    pub drain: Duration,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// Settings that are set, and their origins; the rest are defaults.
    pub provenance: Vec<Provenance>,
    /// Settings whose placeholders nobody filled in.
    pub unfilled: Vec<Unfilled>,
}

/// The upstream that requests go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Upstream {
    /// `openai.base_url`.
    #[default]
    Configured,
    /// The embedded sandbox: no key, no cost.
    Sandbox,
}

/// The part of the configuration that the command line gives.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config`.
    pub file: Option<PathBuf>,
    /// `--sandbox`.
    pub upstream: Upstream,
    /// The strongest layer.
    pub settings: Vec<Flag>,
}

/// A flag that sets a setting.
#[derive(Debug, Clone)]
pub struct Flag {
    /// The setting's key, such as `log.level`.
    pub key: &'static str,
    /// As typed: `--log-level`.
    pub name: &'static str,
    /// As typed, checked with the other layers.
    pub value: String,
}

/// One setting that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The key with the name, where it has one, in the place of `NAME`.
    pub key: SettingKey,
    /// Safe to show: secrets are hidden.
    pub value: String,
    /// The layer that holds; never [`ValueSource::Default`].
    pub source: ValueSource,
}

impl Config {
    /// Reads every layer. The file is `--config`, else `MCP_OPENAI_CONFIG`, else `mcp-openai/config.toml` in the user's
    /// configuration folder where it exists.
    ///
    /// # Errors
    /// Every [`Problem`] at once, each with its place and what would be right.
    pub fn load(flags: &Flags) -> Result<Self, Error> {
        #[expect(clippy::disallowed_methods, reason = "this is the one reader of the environment")]
        let mut config = Self::read(flags, |name| std::env::var_os(name), kept_keys())?;
        if config.inputs.project.is_none() {
            let home = config.inputs.home.as_deref();
            let folder = std::env::current_dir().ok();
            config.inputs.project = folder.and_then(|folder| Project::of_working_folder(&folder, home));
        }
        Ok(config)
    }

    /// The same for a server of many: what is around this process says nothing of where its callers work.
    #[must_use]
    pub fn for_many(mut self) -> Self {
        self.inputs.project = self.inputs.project.filter(|project| project.origin() == ProjectOrigin::Setting);
        self
    }

    /// The same with an environment of the caller's, and without a key that is kept or a working folder.
    ///
    /// # Errors
    /// Those of [`Config::load`].
    pub fn load_from(flags: &Flags, env: impl Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        Self::read(flags, env, None)
    }

    fn read(flags: &Flags, env: impl Fn(&str) -> Option<OsString>, kept_keys: Option<PathBuf>) -> Result<Self, Error> {
        let file = file(flags, &env);
        let layers = Layers::read(file.as_deref(), &env, &flags.settings)?;
        unused::refuse(&layers)?;
        let mut config = Self::assemble(&layers, flags.upstream, &env, kept_keys)?;
        if config.inputs.project.is_none() {
            // After what the person sets, and no error where it cannot be a project: a client sets it for every server.
            let named = env(CLAUDE_PROJECT).filter(|folder| !blank(folder)).map(PathBuf::from);
            let home = config.inputs.home.as_deref();
            let project = named.and_then(|folder| Project::new(&folder, ProjectOrigin::ClaudeCode, home).ok());
            config.inputs.project = project;
        }
        Ok(Self { file, ..config })
    }

    /// Returns whether a layer sets the setting with this key.
    #[must_use]
    pub fn sets(&self, key: &str) -> bool {
        self.provenance.iter().any(|set| set.key.setting() == key)
    }

    /// The file that sets the setting with this key, where no stronger layer does.
    #[must_use]
    pub fn file_with(&self, key: &str) -> Option<&Path> {
        self.provenance.iter().filter(|set| set.key.setting() == key).find_map(|set| match &set.source {
            ValueSource::File { path, .. } => Some(path.as_path()),
            ValueSource::Default | ValueSource::Environment(_) | ValueSource::Flag(_) => None,
        })
    }

    fn assemble(
        layers: &Layers,
        upstream: Upstream,
        env: &impl Fn(&str) -> Option<OsString>,
        kept_keys: Option<PathBuf>,
    ) -> Result<Self, Problem> {
        use settings as s;
        let mut images = artifact::Config {
            dir: layers.optional(&s::IMAGES_DIR)?.unwrap_or_else(pictures_folder),
            keep_for: layers.optional(&s::IMAGES_KEEP_FOR)?,
            keep_at_most: layers.optional(&s::IMAGES_KEEP_AT_MOST)?,
            remote: None,
            links: pictures::links(layers)?,
        };
        let state = layers.optional(&s::STATE_DIR)?.unwrap_or_else(|| state_folder(&images.dir));
        // After the folder for state, in which its pictures wait.
        images.remote = pictures::remote(layers, env, &state, upstream)?;
        let mut openai = upstream::openai(layers, upstream, kept_keys)?;
        if upstream == Upstream::Configured {
            // The sandbox takes no key: one that cannot be read must keep nobody from trying it.
            openai.callers = callers::keys(layers, env)?;
        }
        let at = upstream::at(&openai.base_url, upstream);
        let asked = (upstream == Upstream::Configured).then(|| openai.base_url.clone());
        Ok(Self {
            catalogue: catalogue::Config {
                today: catalogue::Today::Now,
                text: layers.optional(&s::TEXT_MODEL)?,
                image: layers.optional(&s::IMAGE_MODEL)?,
                retired: layers.optional(&s::RETIRED)?.unwrap_or_else(|| upstream::retired_models(at)),
                prices: upstream::prices(upstream),
                tier: upstream::tier(layers)?,
                at,
                file: layers.optional(&s::MODELS_FILE)?,
                // Only OpenAI itself is asked without being told to.
                refresh: layers
                    .optional(&s::MODELS_REFRESH)?
                    .unwrap_or_else(|| openai::is_openai(&openai.base_url).then_some(Duration::from_hours(24))),
                upstream: upstream::name(&openai.base_url),
            },
            openai,
            queue: queue::Config { running: layers.value(&s::RUNNING)?, waiting: layers.value(&s::WAITING)? },
            timeouts: tools::Timeouts {
                text: layers.value(&s::TEXT_TIMEOUT)?,
                image: layers.value(&s::IMAGE_TIMEOUT)?,
            },
            inputs: inputs::Config {
                folders: [vec![images.dir.clone()], layers.optional(&s::IMAGES_INPUTS)?.unwrap_or_default()].concat(),
                home: directories::BaseDirs::new().map(|user| user.home_dir().to_owned()),
                project: layers.optional(&s::PROJECT_FOLDER)?,
            },
            image_urls: layers.value(&s::IMAGES_ALLOW_URLS)?,
            store: upstream::store(layers, &state, upstream)?,
            jobs: job::Config { keep_for: layers.value(&s::JOBS_KEEP_FOR)? },
            conversations: conversation::Config { keep_for: layers.value(&s::CONVERSATIONS_KEEP_FOR)? },
            ledger: upstream::ledger(layers, upstream)?,
            images,
            clients: profile::Config {
                answer_within: layers.optional(&s::ANSWER_WITHIN)?.map(patience),
                preview: profile::Preview {
                    mode: layers.value(&s::PREVIEW)?,
                    max_bytes: layers.optional(&s::PREVIEW_MAX_BYTES)?,
                    max_side: layers.optional(&s::PREVIEW_MAX_SIDE)?,
                },
                clients: overrides(layers)?,
            },
            presets: preset::all(layers)?,
            http: http::http(layers)?,
            log: telemetry::Config { level: layers.value(&s::LOG_LEVEL)?, format: layers.value(&s::LOG_FORMAT)? },
            traces: traces::traces(layers)?,
            upstream,
            drain: layers.value(&s::DRAIN)?,
            file: None,
            provenance: layers.set().map(|set| Provenance::of(set, asked.as_ref())).collect(),
            unfilled: layers.unfilled().to_vec(),
        })
    }
}

impl Provenance {
    /// The base URL is shown as it is asked, which is not always as it was written.
    fn of((setting, key, source, raw): SetValue<'_>, base_url: Option<&Url>) -> Self {
        let asked = base_url.filter(|_| setting.key == settings::BASE_URL.key);
        let value = asked.map_or_else(|| setting.shape.show(raw), Url::to_string);
        Self { key: key.clone(), value, source: source.clone() }
    }
}

/// Settings for single clients.
fn overrides(layers: &Layers) -> Result<BTreeMap<String, profile::Override>, Problem> {
    use settings as s;
    let of = |name| {
        Ok(profile::Override {
            answer_within: layers.named(&s::CLIENT_ANSWER_WITHIN, name)?.map(patience),
            max_result_bytes: layers.named(&s::CLIENT_MAX_RESULT_BYTES, name)?,
            preview: layers.named(&s::CLIENT_PREVIEW, name)?,
            preview_max_bytes: layers.named(&s::CLIENT_PREVIEW_MAX_BYTES, name)?,
            preview_max_side: layers.named(&s::CLIENT_PREVIEW_MAX_SIDE, name)?,
            structured: layers.named(&s::CLIENT_STRUCTURED, name)?,
        })
    };
    layers.names("clients").into_iter().map(|name| Ok((name.to_owned(), of(name)?))).collect()
}

fn patience(limit: Option<Duration>) -> Patience {
    limit.map_or(Patience::ToTheEnd, Patience::For)
}

/// The environment's names that look like ours and are none, each with the nearest that is.
#[must_use]
pub fn unknown_variables() -> Vec<(String, &'static str)> {
    #[expect(clippy::disallowed_methods, reason = "this is the one reader of the environment")]
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let known = || settings::ALL.iter().filter_map(|setting| setting.env).chain([FILE_VARIABLE]);
    let ours = names.filter(|name| name.starts_with("MCP_OPENAI_") && known().all(|known| known != name));
    ours.map(|name| {
        let nearest = text::nearest(&name, known());
        (name, nearest)
    })
    .collect()
}

fn file(flags: &Flags, env: &impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let named = || env(FILE_VARIABLE).filter(|path| !blank(path)).map(PathBuf::from);
    flags.file.clone().or_else(named).or_else(|| default_file().filter(|path| is_there(path)))
}

/// A file that cannot be looked at may hold budgets: reading it says what is wrong.
fn is_there(file: &Path) -> bool {
    let is_special = || file.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir());
    // Not `exists`, by which a file in a folder that may not be searched is not there: the budgets in it would not
    // count.
    match file.symlink_metadata() {
        Ok(_) => !is_special(),
        Err(error) => !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
    }
}

fn blank(path: &OsString) -> bool {
    path.to_str().is_some_and(|text| shape::Raw::Text(text.to_owned()).is_blank())
}

/// The path that a variable of the system or of another program names, such as `CODEX_HOME`.
#[must_use]
pub fn foreign_path(variable: &str) -> Option<PathBuf> {
    foreign(variable).map(PathBuf::from)
}

/// The value of a variable of the system or of another program, such as `TERM`.
#[must_use]
pub fn foreign(variable: &str) -> Option<OsString> {
    #[expect(clippy::disallowed_methods, reason = "this is the one reader of the environment")]
    std::env::var_os(variable)
}

/// `mcp-openai/config.toml` in the user's configuration folder.
#[must_use]
pub fn default_file() -> Option<PathBuf> {
    Some(directories::BaseDirs::new()?.config_dir().join("mcp-openai/config.toml"))
}

/// The folder in which `mcp-openai key set` keeps keys.
#[must_use]
pub fn kept_keys() -> Option<PathBuf> {
    Some(directories::BaseDirs::new()?.config_dir().join("mcp-openai/keys"))
}

/// `mcp-openai` in the pictures folder, else in what comes nearest to one.
fn pictures_folder() -> PathBuf {
    let user = directories::UserDirs::new();
    let pictures = user.as_ref().and_then(|user| user.picture_dir().map(ToOwned::to_owned));
    let home = || user.as_ref().map(|user| user.home_dir().join("Pictures"));
    match pictures.or_else(home) {
        Some(pictures) => pictures.join("mcp-openai"),
        None => std::path::absolute("mcp-openai-images").unwrap_or_else(|_| PathBuf::from("mcp-openai-images")),
    }
}

/// `mcp-openai` in the user's folder for state, else one beside the pictures.
fn state_folder(images: &Path) -> PathBuf {
    let user = directories::BaseDirs::new();
    let state = user.as_ref().map(|user| user.state_dir().unwrap_or_else(|| user.data_local_dir()).join("mcp-openai"));
    state.unwrap_or_else(|| images.join(".state"))
}
