//! SIGHUP, or a file that changed: the configuration is read again. What can change while the server runs is changed,
//! and what cannot is said.

use std::{convert::Infallible, mem, path::PathBuf, sync::Arc, time::Duration};

use tokio::{sync::watch, task::spawn_blocking, time::interval};

use super::keys;
use crate::{
    app::key_files,
    cli::signals::Hangups,
    config::{Config, Flags, Provenance, SettingKey, settings as s},
    ledger::Ledger,
    openai::OpenAi,
    queue::Queue,
    server::ServerPlaces,
    store::CallerStore,
    telemetry::Levels,
    transport::{self, FileStamp},
};

/// Time between two looks at the file.
const LOOK: Duration = Duration::from_secs(1);

/// Settings that change while the server runs; the others need a restart.
const CHANGEABLE: [&str; 11] = [
    s::LOG_LEVEL.key,
    s::SPEND_PER_CALL.key,
    s::SPEND_PER_DAY.key,
    s::RUNNING.key,
    s::WAITING.key,
    s::CALLER_API_KEY_FILE.key,
    s::CALLER_API_KEY_ENV.key,
    s::HTTP_PROXIES.key,
    s::HTTP_ALLOWED_HOSTS.key,
    s::HTTP_ALLOWED_ORIGINS.key,
    s::HTTP_MAX_BODY_BYTES.key,
];

/// The file of the configuration, looked at for as long as the server runs.
pub(in crate::cli) struct WatchedFile {
    path: Option<PathBuf>,
    /// As it was when it was read.
    read: Option<FileStamp>,
    /// As it was at the last look.
    seen: Option<FileStamp>,
}

impl WatchedFile {
    /// Comes right after it was read: a change that is made while the store is opened counts, too.
    pub(in crate::cli) fn new(path: Option<PathBuf>) -> Self {
        let mut watched = Self { path, read: None, seen: None };
        watched.mark_read();
        watched
    }

    fn stamp(&self) -> Option<FileStamp> {
        FileStamp::of(self.path.as_deref()?).ok()
    }

    fn mark_read(&mut self) {
        self.read = self.stamp();
    }

    /// Resolves once it is another one, and stays that from one look to the next: half a file may be one without a
    /// budget. One that is gone is none, since an editor may be putting it back.
    async fn changed(&mut self) {
        // Nobody sends a signal to a pod, whose file changes all the same.
        let mut looks = interval(LOOK);
        loop {
            looks.tick().await;
            let now = self.stamp();
            let before = mem::replace(&mut self.seen, now);
            if now.is_some() && now == before && now != self.read {
                return;
            }
        }
    }
}

/// The running server, as far as its configuration can change.
pub(super) struct Reload {
    pub flags: Flags,
    pub levels: Levels,
    pub ledger: Ledger,
    pub queue: Queue,
    pub openai: OpenAi,
    pub callers: Arc<dyn CallerStore>,
    pub places: ServerPlaces,
    pub http: watch::Sender<transport::http::Config>,
    /// The settings that count now.
    pub current: Vec<Provenance>,
}

impl Reload {
    /// Runs at each `SIGHUP`, and where the file has changed.
    pub(super) async fn whenever_due(mut self, mut file: WatchedFile) -> Infallible {
        let mut hangups = Hangups::listen();
        loop {
            tokio::select! {
                () = hangups.next() => {}
                () = file.changed() => {}
            }
            // Before it is read: what changes while it is read counts at the next look.
            file.mark_read();
            match &file.path {
                // A pipe gave what it had, and a file that is gone may be one that an editor puts back: either would be a
                // configuration without its budgets.
                Some(path) if !path.is_file() => tracing::error!(
                    "to be read again, and the configuration stays as it is: {} is not a regular file",
                    path.display()
                ),
                Some(_) | None => self.run().await,
            }
        }
    }

    /// Reads the configuration; one that cannot be used is refused whole.
    async fn run(&mut self) {
        let flags = self.flags.clone();
        // It looks at files and folders, which may lie on another machine: calls go on meanwhile.
        let loaded = spawn_blocking(move || Config::load(&flags).map_err(anyhow::Error::from)).await;
        let config = match loaded.unwrap_or_else(|panicked| Err(panicked.into())) {
            Ok(config) => config,
            Err(error) => {
                // Whole, since half of it may be one without its budget.
                tracing::error!("read again, and the configuration stays as it is: {error}");
                return;
            }
        };
        let (changed, kept): (Vec<_>, Vec<_>) =
            self.differing(&config.provenance).into_iter().partition(|key| CHANGEABLE.contains(&key.setting()));
        let [changed, kept] =
            [changed, kept].map(|keys| keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
        self.levels.set(config.log.level);
        self.ledger.change(config.ledger);
        self.queue.change_to(config.queue);
        // Before the keys count: the first failure of one must not name its file to a caller.
        self.places.add(key_files(config.openai.callers.values()));
        let keys = config.openai.callers;
        self.openai.change_callers(keys.clone());
        self.http.send_modify(|http| {
            let transport::http::Config { proxies, allowed_hosts, allowed_origins, max_body_bytes, .. } = config.http;
            *http = transport::http::Config { proxies, allowed_hosts, allowed_origins, max_body_bytes, ..http.clone() };
        });
        tracing::info!(changed, "the configuration was read again");
        if !kept.is_empty() {
            tracing::warn!(settings = kept, "these changed, too, and count from the next start on");
        }
        // Those that wait for a start are named again.
        let changeable = |setting: &Provenance| CHANGEABLE.contains(&setting.key.setting());
        self.current.retain(|setting| !changeable(setting));
        self.current.extend(config.provenance.into_iter().filter(changeable));
        keys::warn_of_nobody(&*self.callers, &keys).await;
    }

    /// Keys whose values differ, or that only one side has; secrets are all alike here.
    fn differing(&self, new: &[Provenance]) -> Vec<SettingKey> {
        let missing = |among: &[Provenance], setting: &Provenance| {
            !among.iter().any(|other| other.key == setting.key && other.value == setting.value)
        };
        let new_ones = new.iter().filter(|setting| missing(&self.current, setting));
        let gone = self.current.iter().filter(|setting| missing(new, setting));
        let mut keys: Vec<_> = new_ones.chain(gone).map(|setting| setting.key.clone()).collect();
        keys.sort();
        keys.dedup();
        keys
    }
}
