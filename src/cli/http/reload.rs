//! SIGHUP: the configuration is read again. What can change while the server runs is changed, and what cannot is said.

use tokio::sync::watch;

use crate::{
    app::key_files,
    config::{Config, Flags, Provenance, SettingKey, settings as s},
    ledger::Ledger,
    openai::OpenAi,
    queue::Queue,
    server::ServerPlaces,
    telemetry::Levels,
    transport,
};

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

/// The running server, as far as its configuration can change.
pub(super) struct Reload {
    pub flags: Flags,
    pub levels: Levels,
    pub ledger: Ledger,
    pub queue: Queue,
    pub openai: OpenAi,
    pub places: ServerPlaces,
    pub http: watch::Sender<transport::http::Config>,
    /// The settings that count now.
    pub current: Vec<Provenance>,
}

impl Reload {
    /// Reads the configuration; one that cannot be used is refused whole.
    pub(super) fn run(&mut self) {
        let config = match Config::load(&self.flags) {
            Ok(config) => config,
            Err(error) => {
                tracing::error!("asked to reload, and the configuration stays as it is: {error}");
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
        self.places.add(key_files(config.openai.callers.values()));
        self.openai.change_callers(config.openai.callers);
        self.http.send_modify(|http| {
            let transport::http::Config { proxies, allowed_hosts, allowed_origins, max_body_bytes, .. } = config.http;
            *http = transport::http::Config { proxies, allowed_hosts, allowed_origins, max_body_bytes, ..http.clone() };
        });
        tracing::info!(changed, "asked to reload: the configuration was read again");
        if !kept.is_empty() {
            tracing::warn!(settings = kept, "these changed, too, and count from the next start on");
        }
        // Those that wait for a start are named again.
        let changeable = |setting: &Provenance| CHANGEABLE.contains(&setting.key.setting());
        self.current.retain(|setting| !changeable(setting));
        self.current.extend(config.provenance.into_iter().filter(changeable));
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
