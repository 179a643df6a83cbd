//! Builds every component from its configuration, in order, once; owns the tasks and the shutdown.

use std::{net::Ipv4Addr, path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use openai_sandbox::{Pace, Sandbox};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    artifact::{Artifacts, PictureLinks},
    catalogue::Catalogue,
    config::{Config, Upstream},
    conversation::Conversations,
    inputs::Inputs,
    ledger::{Audit, Ledger},
    openai::{ApiKeySource, OpenAi},
    preview::Previews,
    queue::Queue,
    server::{Parts, Server, ServerPlaces, profile::Profiles},
    store::{Store, StorePlace},
    telemetry::{metrics::Metrics, traces::Traces},
    tools::{
        ToolError, ToolJobs,
        ask_openai::{AskOpenai, SchemaChecks},
        create_image::CreateImage,
        edit_image::EditImage,
        get_result::GetResult,
        list_models::ListModels,
        pictures::{KeptPictures, Studio},
        references::References,
        show_gallery::ShowGallery,
        upkeep::Upkeep,
    },
};

/// Marks every answer that the sandbox gave.
const SANDBOX_NOTICE: &str =
    "This came from the built-in sandbox, not from OpenAI: no key was used and nothing was charged.";

/// The whole program, built and idle.
#[derive(Debug)]
pub struct App {
    /// As loaded; with `--sandbox` its base URL is that of the sandbox.
    pub config: Config,
    /// All that is kept but pictures; opened on first use.
    pub store: Store,
    /// Client of the upstream, or of the sandbox.
    pub openai: OpenAi,
    /// Models with their prices, and what refusals taught of them.
    pub catalogue: Arc<Catalogue>,
    /// The gallery of the person at this machine; each caller has one in a folder of its own.
    pub artifacts: Artifacts,
    /// Opens the files that calls may read, and writes copies into the project.
    pub inputs: Inputs,
    /// Turns of text and pictures alike.
    pub conversations: Conversations,
    /// Budgets, and costs of all calls.
    pub ledger: Ledger,
    /// Calls of callers that are not in the ledger.
    pub audit: Audit,
    /// Also run by `mcp-openai ask` and `mcp-openai chat`.
    pub ask_openai: Arc<AskOpenai>,
    /// Also run by `mcp-openai image`.
    pub create_image: Arc<CreateImage>,
    /// Also run by `mcp-openai image` with pictures to start from.
    pub edit_image: Arc<EditImage>,
    /// Holds the jobs, and the previews of pictures.
    pub get_result: Arc<GetResult>,
    /// Also read by `mcp-openai models` and `mcp-openai doctor`.
    pub list_models: Arc<ListModels>,
    /// Only for MCP: `mcp-openai images` reads the gallery itself.
    pub show_gallery: Arc<ShowGallery>,
    /// One queue of requests to the upstream, for all tools.
    pub queue: Queue,
    /// Paths and addresses of this machine that stand in messages, and are kept from callers elsewhere.
    pub places: ServerPlaces,
    /// Counts calls where `http.admin_bind` is set.
    pub metrics: Metrics,
    /// Measures calls where a collector is configured.
    pub traces: Traces,
    /// Everything that runs; a shutdown waits for it.
    pub tasks: TaskTracker,
    /// Cancelled by a signal, or at the end: then what serves drains.
    pub stop: CancellationToken,
    /// Cancelled at the end, when nothing is served any more. The sandbox answers until then: a call in flight that is
    /// being finished needs its upstream.
    last: CancellationToken,
}

impl App {
    /// Builds every part. Cheap: no network, no TLS, no file but a catalogue of the user's. `--sandbox` binds a
    /// loopback port.
    ///
    /// # Errors
    /// When the user's catalogue cannot be read, or the sandbox finds no port.
    #[expect(clippy::too_many_lines, reason = "each line builds one part")]
    pub async fn build(mut config: Config) -> anyhow::Result<Self> {
        let tasks = TaskTracker::new();
        let (stop, last) = (CancellationToken::new(), CancellationToken::new());
        if config.upstream == Upstream::Sandbox {
            // Any free port: each client of a user starts a server of its own.
            let bind = (Ipv4Addr::LOCALHOST, 0).into();
            let started = Sandbox::start(openai_sandbox::Config { bind, pace: Pace::Natural }, &tasks, last.clone())
                .await
                .context("the sandbox cannot listen on loopback")?;
            config.openai.base_url = started.base_url().parse()?;
        }

        let traces = Traces::build(config.traces.clone());
        let sending = traces.clone();
        // Until the last: spans of calls that end in the drain are sent, too.
        tasks.spawn(last.clone().run_until_cancelled_owned(async move { sending.send().await }));
        let store = Store::build(config.store.clone());
        let (openai, catalogue) = match config.upstream {
            Upstream::Configured => (
                OpenAi::sharing(config.openai.clone(), store.pace.clone()),
                Catalogue::sharing(config.catalogue.clone(), store.facts.clone())?,
            ),
            // Nothing is shared: a pace or a lesson of the sandbox must not hold for the real upstream.
            Upstream::Sandbox => (OpenAi::build(config.openai.clone()), Catalogue::build(config.catalogue.clone())?),
        };
        let catalogue = Arc::new(catalogue);
        let upkeep = Upkeep::build(openai.clone(), catalogue.clone(), tasks.clone(), stop.clone());
        let queue = Queue::build(config.queue);
        let links = config.images.links.clone().map(|links| PictureLinks::build(links, store.facts.clone()));
        let artifacts = Artifacts::build(config.images.clone()).with_links(links);
        // Pictures that wait in the spool are of earlier processes, too: they are uploaded without a call.
        if config.images.remote.is_some() {
            let artifacts = artifacts.clone();
            let tending = async move { artifacts.tend_bucket().await };
            tasks.spawn(stop.clone().run_until_cancelled_owned(tending));
        }
        let previews = Previews::build();
        let inputs = Inputs::build(config.inputs.clone());
        let references = References {
            openai: openai.clone(),
            artifacts: artifacts.clone(),
            inputs: inputs.clone(),
            urls: config.image_urls,
        };
        let conversations = Conversations::build(config.conversations, store.turns.clone(), tasks.clone());
        let ledger = Ledger::build(config.ledger, store.money.clone());
        let audit = Audit::build(store.audit.clone(), tasks.clone(), stop.clone());
        let ask_openai = Arc::new(AskOpenai {
            openai: openai.clone(),
            catalogue: catalogue.clone(),
            upkeep: upkeep.clone(),
            queue: queue.clone(),
            references: references.clone(),
            conversations: conversations.clone(),
            ledger: ledger.clone(),
            timeouts: config.timeouts,
            checks: SchemaChecks::build(),
        });
        let studio = Arc::new(Studio {
            openai: openai.clone(),
            catalogue: catalogue.clone(),
            upkeep: upkeep.clone(),
            queue: queue.clone(),
            artifacts: artifacts.clone(),
            inputs: inputs.clone(),
            previews: previews.clone(),
            conversations: conversations.clone(),
            ledger: ledger.clone(),
            timeouts: config.timeouts,
        });
        let create_image = Arc::new(CreateImage { studio: studio.clone() });
        let edit_image = Arc::new(EditImage { studio, references });
        let jobs = ToolJobs::build(config.jobs, store.jobs.clone(), tasks.clone());
        let kept = KeptPictures { artifacts: artifacts.clone(), previews };
        let metrics = Metrics::default();
        let counted = config.http.admin_bind.map(|_| metrics.clone());
        let (kept_here, asking) = (kept.clone(), Some(ask_openai.clone()));
        let get_result = Arc::new(GetResult { jobs, kept: kept_here, ask_openai: asking, metrics: counted });
        let show_gallery = Arc::new(ShowGallery { kept, index: store.pictures.clone() });
        let list_models = Arc::new(ListModels { upkeep });
        let places = ServerPlaces::new([config.images.dir.display().to_string(), store.place.to_string()]);
        // The failure of a call names a key's file that cannot be read.
        places.add(key_files(config.openai.callers.values().chain([&config.openai.key])));
        Ok(Self {
            config,
            store,
            openai,
            catalogue,
            artifacts,
            inputs,
            conversations,
            ledger,
            audit,
            ask_openai,
            create_image,
            edit_image,
            get_result,
            list_models,
            show_gallery,
            queue,
            places,
            metrics,
            traces,
            tasks,
            stop,
            last,
        })
    }

    /// The MCP server with every tool. Where servers share a bucket, its clients hear of the others' pictures, too.
    #[must_use]
    pub fn server(&self) -> Server {
        if self.config.images.remote.is_some() {
            let (artifacts, index) = (self.artifacts.clone(), self.store.pictures.clone());
            let sharing = async move { artifacts.share_changes(&*index).await };
            self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(sharing));
        }
        Server::build(Parts {
            artifacts: self.artifacts.clone(),
            inputs: self.inputs.clone(),
            conversations: self.conversations.clone(),
            ledger: self.ledger.clone(),
            audit: self.audit.clone(),
            previews: self.get_result.kept.previews.clone(),
            get_result: self.get_result.clone(),
            catalogue: self.catalogue.clone(),
            tasks: self.tasks.clone(),
            notice: self.notice().map(str::to_owned),
            profiles: Profiles::build(self.config.clients.clone()),
            pace: self.store.pace.clone(),
            metrics: self.config.http.admin_bind.map(|_| self.metrics.clone()),
            traces: self.traces.clone(),
            places: self.places.clone(),
        })
        // In this order they are listed, which has to be the same each time.
        .with(self.ask_openai.clone())
        .with(self.create_image.clone())
        .with(self.edit_image.clone())
        .with(self.get_result.clone())
        .with(self.list_models.clone())
        .with(self.show_gallery.clone())
    }

    /// Ends everything: stops what serves, and waits as long as the drain, 1 s at least, for pictures that are paid for
    /// and not yet kept, for responses that are to be stopped, and for the store and the collector to take what nobody
    /// waits for.
    pub async fn end(self) {
        // `drain = "0s"` gives up calls, and not the record of those that were paid for.
        const LEAST: Duration = Duration::from_secs(1);
        self.stop.cancel();
        self.last.cancel();
        // The wait below ends only once the tracker is closed.
        self.tasks.close();
        let ended = async {
            self.tasks.wait().await;
            // Tasks first: what they end with is what the parts below have still to write.
            self.openai.settled().await;
            self.audit.flush().await;
            self.store.money.flush().await;
            self.traces.flush().await;
        };
        if tokio::time::timeout(self.config.drain.max(LEAST), ended).await.is_err() {
            tracing::warn!(tasks = self.tasks.len(), "left behind");
        }
    }

    /// The folder on this machine in which state is kept; `None` where there is none.
    #[must_use]
    pub fn state_folder(&self) -> Option<&Path> {
        match &self.config.store.place {
            StorePlace::Folder(folder) => Some(folder),
            StorePlace::Memory | StorePlace::Postgres(_) => None,
        }
    }

    /// Looks if what is kept can be read at all.
    ///
    /// # Errors
    /// Those of [`StorePlace::readable`].
    pub fn readable(&self) -> Result<(), ToolError> {
        Ok(self.config.store.place.readable()?)
    }

    /// The notice that belongs with every answer, when it is not the configured upstream that gives it.
    #[must_use]
    pub fn notice(&self) -> Option<&'static str> {
        (self.config.upstream == Upstream::Sandbox).then_some(SANDBOX_NOTICE)
    }
}

/// The files among these that hold a key.
pub(crate) fn key_files<'a>(keys: impl IntoIterator<Item = &'a ApiKeySource>) -> impl Iterator<Item = String> {
    keys.into_iter().filter_map(|key| match key {
        ApiKeySource::File { path, .. } => Some(path.display().to_string()),
        ApiKeySource::Missing
        | ApiKeySource::NotNeeded
        | ApiKeySource::Value { .. }
        | ApiKeySource::Kept(_)
        | ApiKeySource::Command(_) => None,
    })
}
