//! Candidates for a place of the command line, for a shell that completes it: what the catalogue and the folders of
//! this machine have. The upstream is not asked, and whatever is wrong is no candidate.

use std::ffi::OsStr;

use clap_complete::{CompletionCandidate, PathCompleter, engine::ValueCompleter as _};

use super::clients::CLIENTS;
use crate::{
    app::App,
    artifact::{Artifact, Artifacts},
    catalogue::{Catalogue, ModelKind, Overview},
    config::{Config, Flags},
    handle::Owner,
    text,
};

/// Ids that are proposed at most, the newest.
const NEWEST: usize = 50;
/// Characters of the prompt or question that stand beside an id.
const HELP: usize = 60;

pub(super) fn text_models() -> Vec<CompletionCandidate> {
    models(ModelKind::Text)
}

pub(super) fn image_models() -> Vec<CompletionCandidate> {
    models(ModelKind::Image)
}

pub(super) fn sizes() -> Vec<CompletionCandidate> {
    let named = ["auto", "landscape", "portrait", "square", "16:9"].map(str::to_owned);
    let made = choices(ModelKind::Image).into_iter().find(|model| model.default);
    let made = made.and_then(|model| model.entry?.image).map(|image| image.sizes.examples()).unwrap_or_default();
    named.into_iter().chain(made.iter().map(ToString::to_string)).map(CompletionCandidate::new).collect()
}

/// Kept pictures: by their URIs once such a one is begun, by the ends of their ids where none begins so.
pub(super) fn pictures(typed: &OsStr) -> Vec<CompletionCandidate> {
    const SHORTEST_END: usize = 4;
    let Some(typed) = typed.to_str() else { return Vec::new() };
    let pictures = kept();
    let named = |name: fn(&Artifact) -> String, fits: &dyn Fn(&str) -> bool| -> Vec<_> {
        let named = pictures.iter().map(|picture| (name(picture), &picture.origin.prompt));
        named.filter(|(name, _)| fits(name)).map(|(name, prompt)| with_help(&name, prompt)).collect()
    };
    let id = |picture: &Artifact| picture.id.to_string();
    let begins = |name: &str| name.starts_with(typed);
    let mut found = named(id, &begins);
    if !typed.is_empty() {
        found.extend(named(|picture| picture.id.uri(), &begins));
    }
    if !found.is_empty() || typed.len() < SHORTEST_END {
        return found;
    }
    named(id, &|name| name.ends_with(typed) || name.rsplit_once('.').is_some_and(|(stem, _)| stem.ends_with(typed)))
}

/// Files, and kept pictures by their URIs.
pub(super) fn files(typed: &OsStr) -> Vec<CompletionCandidate> {
    let mut files = PathCompleter::file().complete(typed);
    if let Some(typed) = typed.to_str().filter(|typed| !typed.is_empty()) {
        let pictures = kept();
        let begun = pictures.iter().filter(|picture| picture.id.uri().starts_with(typed));
        files.extend(begun.map(|picture| with_help(&picture.id.uri(), &picture.origin.prompt)));
    }
    files
}

/// The newest pictures.
fn kept() -> Vec<Artifact> {
    // The gallery alone, and no store: a shell waits for this at each Tab.
    let page = look(async |config| Artifacts::build(config.images).list(None, NEWEST).await.ok());
    page.map(|page| page.artifacts).unwrap_or_default()
}

pub(super) fn conversations() -> Vec<CompletionCandidate> {
    let newest = look(async |config| {
        let app = App::build(config).await.ok()?;
        app.conversations.newest(&Owner::local(), NEWEST).await.ok()
    });
    let newest = newest.unwrap_or_default();
    newest.iter().map(|summary| with_help(&summary.handle.to_string(), &summary.first_words)).collect()
}

/// Conversations where an id is begun: after `--continue`, one stands as the first word of the question.
pub(super) fn begun_conversations(typed: &OsStr) -> Vec<CompletionCandidate> {
    let Some(typed) = typed.to_str().filter(|typed| typed.starts_with("conv")) else { return Vec::new() };
    let begins =
        |candidate: &CompletionCandidate| candidate.get_value().to_str().is_some_and(|id| id.starts_with(typed));
    conversations().into_iter().filter(begins).collect()
}

pub(super) fn clients() -> Vec<CompletionCandidate> {
    CLIENTS.iter().map(|client| with_help(client.id, client.name)).collect()
}

pub(super) fn callers() -> Vec<CompletionCandidate> {
    let callers = look(async |config| App::build(config).await.ok()?.store.callers.callers().await.ok());
    callers.unwrap_or_default().iter().map(|caller| CompletionCandidate::new(caller.name.as_str())).collect()
}

pub(super) fn presets() -> Vec<CompletionCandidate> {
    let config = Config::load(&Flags::default()).ok();
    config.into_iter().flat_map(|config| config.presets.into_keys()).map(CompletionCandidate::new).collect()
}

/// Ids with their roles, and roles with their ids.
fn models(kind: ModelKind) -> Vec<CompletionCandidate> {
    let models = choices(kind);
    let ids = models.iter().map(|model| with_help(model.id.as_str(), &model.roles.join(", ")));
    let roles = models.iter().flat_map(|model| model.roles.iter().map(|role| with_help(role, model.id.as_str())));
    ids.chain(roles).collect()
}

fn choices(kind: ModelKind) -> Vec<Overview> {
    let config = Config::load(&Flags::default()).ok();
    let catalogue = config.and_then(|config| Catalogue::build(config.catalogue).ok());
    let mut models = catalogue.map(|catalogue| catalogue.answering()).unwrap_or_default();
    models.retain(|model| model.kind == Some(kind));
    models
}

fn with_help(value: &str, help: &str) -> CompletionCandidate {
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let help = text::brief(&words, HELP);
    CompletionCandidate::new(value).help((!help.is_empty()).then(|| help.into()))
}

/// The outcome of a look by this user's configuration.
fn look<T>(work: impl AsyncFnOnce(Config) -> Option<T>) -> Option<T> {
    let config = Config::load(&Flags::default()).ok()?;
    super::one_thread().ok()?.block_on(work(config))
}
