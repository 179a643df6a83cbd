//! Builds every component from its configuration, in order, once; owns the tasks and the shutdown.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use anyhow::Context;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    artifact::Artifacts,
    catalogue::{Catalogue, Today},
    config::{Config, Upstream},
    openai::OpenAi,
    preview::Previews,
    queue::Queue,
    sandbox::{self, Pace, Sandbox},
    server::{Parts, Server},
    tools::{ask_openai::AskOpenai, create_image::CreateImage},
};

/// Marks every answer that the sandbox gave.
const SANDBOX_NOTICE: &str =
    "This came from the built-in sandbox, not from OpenAI: no key was used and nothing was charged.";

/// The whole program, built and idle.
#[derive(Debug)]
pub struct App {
    pub config: Config,
    pub openai: OpenAi,
    pub catalogue: Arc<Catalogue>,
    pub artifacts: Artifacts,
    pub ask_openai: Arc<AskOpenai>,
    pub create_image: Arc<CreateImage>,
    /// Everything that runs; a shutdown waits for it.
    pub tasks: TaskTracker,
    pub stop: CancellationToken,
}

impl App {
    /// Cheap: no network, no TLS, no file but a catalogue of the user's. `--sandbox` binds a loopback port.
    ///
    /// # Errors
    /// When the user's catalogue cannot be read, or the sandbox finds no port.
    pub async fn build(mut config: Config) -> anyhow::Result<Self> {
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        if config.upstream == Upstream::Sandbox {
            let bind = (Ipv4Addr::LOCALHOST, 0).into();
            let sandbox = Sandbox::start(sandbox::Config { bind, pace: Pace::Natural }, &tasks, stop.clone())
                .await
                .context("the sandbox cannot listen on loopback")?;
            config.openai.base_url = sandbox.base_url().parse()?;
        }

        let openai = OpenAi::build(config.openai.clone());
        let catalogue = Arc::new(Catalogue::build(config.catalogue.clone(), Today::Now)?);
        let queue = Queue::build(config.queue);
        let artifacts = Artifacts::build(config.images.clone());
        let previews = Previews::build(config.preview.clone());
        let ask_openai = Arc::new(AskOpenai {
            openai: openai.clone(),
            catalogue: catalogue.clone(),
            queue: queue.clone(),
            timeouts: config.timeouts,
        });
        let create_image = Arc::new(CreateImage {
            openai: openai.clone(),
            catalogue: catalogue.clone(),
            queue,
            artifacts: artifacts.clone(),
            previews,
            timeouts: config.timeouts,
        });
        Ok(Self { config, openai, catalogue, artifacts, ask_openai, create_image, tasks, stop })
    }

    /// The MCP server with every tool.
    #[must_use]
    pub fn server(&self) -> Server {
        Server::build(Parts {
            artifacts: self.artifacts.clone(),
            tasks: self.tasks.clone(),
            notice: self.notice().map(str::to_owned),
        })
        .with(self.ask_openai.clone())
        .with(self.create_image.clone())
    }

    /// Ends everything: stops what serves, and waits as long as the drain, 1 s at least, for pictures that are paid for
    /// and not yet kept.
    pub async fn end(self) {
        const LEAST: Duration = Duration::from_secs(1);
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(self.config.drain.max(LEAST), self.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.tasks.len(), "left behind");
        }
    }

    /// What must be said with every answer, when it is not the configured upstream that gives it.
    #[must_use]
    pub fn notice(&self) -> Option<&'static str> {
        (self.config.upstream == Upstream::Sandbox).then_some(SANDBOX_NOTICE)
    }
}
