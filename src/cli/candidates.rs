//! Candidates for a place of the command line, for a shell that completes it: what the catalogue and the folders of
//! this machine have. The upstream is not asked, and whatever is wrong is no candidate.

use clap_complete::CompletionCandidate;

use super::clients::CLIENTS;
use crate::{
    app::App,
    artifact::Artifacts,
    catalogue::{Catalogue, ModelKind, Overview},
    config::{Config, Flags},
    handle::Owner,
    text,
};

/// The newest so many ids.
const NEWEST: usize = 50;
/// Of a prompt or a question.
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

pub(super) fn pictures() -> Vec<CompletionCandidate> {
    let Ok(config) = Config::load(&Flags::default()) else { return Vec::new() };
    let page = wait(async { Artifacts::build(config.images).list(None, NEWEST).await.ok() });
    let pictures = page.map(|page| page.artifacts).unwrap_or_default();
    let candidate = |picture: &crate::artifact::Artifact| with_help(picture.id.as_str(), &picture.origin.prompt);
    pictures.iter().map(candidate).collect()
}

pub(super) fn conversations() -> Vec<CompletionCandidate> {
    let Ok(config) = Config::load(&Flags::default()) else { return Vec::new() };
    let newest = wait(async {
        let app = App::build(config).await.ok()?;
        app.conversations.newest(&Owner::local(), NEWEST).await.ok()
    });
    let newest = newest.unwrap_or_default();
    newest.iter().map(|summary| with_help(&summary.handle.to_string(), &summary.first_words)).collect()
}

pub(super) fn clients() -> Vec<CompletionCandidate> {
    CLIENTS.iter().map(|client| with_help(client.id, client.name)).collect()
}

pub(super) fn callers() -> Vec<CompletionCandidate> {
    let Ok(config) = Config::load(&Flags::default()) else { return Vec::new() };
    let callers = wait(async { App::build(config).await.ok()?.store.callers.callers().await.ok() });
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

fn wait<T>(work: impl Future<Output = Option<T>>) -> Option<T> {
    super::one_thread().ok()?.block_on(work)
}
