//! A tool that gives back what it is told to: pictures, long texts, data.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use mcp_openai::{
    artifact::{self, Artifact, Artifacts},
    call::Call,
    media::Encoded,
    server::{
        Parts, Server,
        profile::{self, Override, Patience, Profiles},
    },
    tools::{Effect, Output, Pace, Shows, Tool, ToolError},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_util::task::TaskTracker;

use crate::fakes::{self, Echo};

/// What the album shows, whatever a call says.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct Page {
    pub status: String,
    pub images: Vec<Image>,
    pub warnings: Vec<String>,
    #[serde(skip)]
    pub text: String,
    #[serde(skip)]
    pub previews: Vec<Encoded>,
    #[serde(skip)]
    pub artifacts: Vec<Artifact>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Image {
    pub path: String,
    pub revised_prompt: String,
}

impl Output for Page {
    const SHOWS: Shows = Shows::Pictures;

    fn text(&self) -> String {
        self.text.clone()
    }

    fn warnings(&mut self) -> &mut Vec<String> {
        &mut self.warnings
    }

    fn previews(&self) -> &[Encoded] {
        &self.previews
    }

    fn artifacts(&self) -> &[Artifact] {
        &self.artifacts
    }
}

/// Shows the page whose number it is given.
pub struct Album(pub Vec<Page>);

#[derive(Debug, Deserialize, JsonSchema)]
pub struct Args {
    page: usize,
}

impl Tool for Album {
    const NAME: &'static str = "album";
    const TITLE: &'static str = "Album";
    const DESCRIPTION: &'static str = "Shows a page.";
    const EFFECT: Effect = Effect::Reads;
    const PACE: Pace = Pace::Quick;
    type Args = Args;
    type Output = Page;

    async fn run(&self, args: Args, _call: &Call) -> Result<Page, ToolError> {
        Ok(self.0[args.page].clone())
    }
}

/// A server with this album, a tool without pictures, and settings for single clients.
pub fn server(pages: Vec<Page>, clients: impl IntoIterator<Item = (String, Override)>) -> Server {
    let preview = profile::Preview { mode: profile::Mode::Auto, max_bytes: None, max_side: None };
    let config = profile::Config { answer_within: None, preview, clients: BTreeMap::from_iter(clients) };
    let parts = fakes::parts(Path::new("/nonexistent"), &TaskTracker::new(), Patience::ToTheEnd);
    let parts = Parts { profiles: Profiles::build(config), ..parts };
    Server::build(parts).with(Arc::new(Album(pages))).with(Arc::new(Echo))
}

/// One kept picture, whose prompt is this; it lies nowhere.
pub async fn kept(prompt: &str) -> Artifact {
    let dir = tempfile::tempdir().unwrap();
    let artifacts = Artifacts::build(artifact::Config { dir: dir.path().into(), ..artifact::Config::default() });
    artifacts.keep(&crate::painting::png(16, 16), None, crate::resources::origin(prompt)).await.unwrap()
}
