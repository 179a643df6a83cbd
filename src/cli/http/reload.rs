//! SIGHUP: the configuration is read again. What can change while the server runs is changed, and what cannot is said.

use crate::{
    config::{Config, Flags, Provenance, settings as s},
    ledger::Ledger,
    queue::Queue,
    telemetry::Levels,
};

/// Settings that change while the server runs; the others need a restart.
const CHANGEABLE: [&str; 5] =
    [s::LOG_LEVEL.key, s::SPEND_PER_CALL.key, s::SPEND_PER_DAY.key, s::RUNNING.key, s::WAITING.key];

/// The running server, as far as its configuration can change.
pub(super) struct Reload {
    pub flags: Flags,
    pub levels: Levels,
    pub ledger: Ledger,
    pub queue: Queue,
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
        let (changed, kept): (Vec<_>, Vec<_>) = self
            .differing(&config.provenance)
            .into_iter()
            .partition(|key| CHANGEABLE.iter().any(|changeable| key == changeable));
        self.levels.set(config.log.level);
        self.ledger.change(config.ledger);
        self.queue.change_to(config.queue);
        tracing::info!(changed = changed.join(", "), "asked to reload: the configuration was read again");
        if !kept.is_empty() {
            tracing::warn!(settings = kept.join(", "), "these changed, too, and count from the next start on");
        }
        // Those that wait for a start are named again.
        let changeable = |setting: &Provenance| CHANGEABLE.contains(&setting.key.to_string().as_str());
        self.current.retain(|setting| !changeable(setting));
        self.current.extend(config.provenance.into_iter().filter(changeable));
    }

    /// Keys whose values differ, or that only one side has; secrets are all alike here.
    fn differing(&self, new: &[Provenance]) -> Vec<String> {
        let missing = |among: &[Provenance], setting: &Provenance| {
            !among.iter().any(|other| other.key == setting.key && other.value == setting.value)
        };
        let new_ones = new.iter().filter(|setting| missing(&self.current, setting));
        let gone = self.current.iter().filter(|setting| missing(new, setting));
        let mut keys: Vec<_> = new_ones.chain(gone).map(|setting| setting.key.to_string()).collect();
        keys.sort();
        keys.dedup();
        keys
    }
}
