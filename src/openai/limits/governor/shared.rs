//! The pace of an account: kept with all processes of a user, or, while the store cannot be used, by this process
//! alone.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    handle::Account,
    model::ModelId,
    store::{
        self, PaceStore,
        pace::{PaceCap, PlaceGrant, PlaceRequest},
    },
};

/// Time for which this process goes on alone before it tries the store again. A try may last as long as a silent
/// database is waited for, and the call waits with it.
const ALONE: Duration = Duration::from_secs(10);
/// The longest delay after which this process knows what others learnt: reading it in every call would cost more than
/// it spares.
const REFRESH: Duration = Duration::from_millis(250);
/// Models that are held back at one time, at most: names come from outside.
const MOST_HOLDS: usize = 256;

#[derive(Debug)]
pub(super) struct SharedPace {
    store: Option<Arc<dyn PaceStore>>,
    /// The beginning of this process's own clock.
    began: Instant,
    known: Mutex<AccountPace>,
}

#[derive(Debug, Default)]
struct AccountPace {
    /// Theoretical arrival times that count while nothing is shared, in microseconds of this process's clock.
    due: HashMap<PaceCap, i64>,
    holds: HashMap<(Account, ModelId), Instant>,
    /// The store was last asked for holds.
    refreshed: Option<Instant>,
    /// Since when the store fails, and why.
    failed: Option<(Instant, String)>,
    warning: Warning,
}

/// A warning about a failure, given once.
#[derive(Debug, Default)]
enum Warning {
    #[default]
    None,
    Pending(String),
    Given,
}

impl SharedPace {
    pub(super) fn new(store: Option<Arc<dyn PaceStore>>) -> Self {
        Self { store, began: Instant::now(), known: Mutex::default() }
    }

    /// Takes the next place under a cap.
    pub(super) async fn take(&self, account: &Account, place: PlaceRequest) -> PlaceGrant {
        if let Some(store) = self.store() {
            match store.pass(account, place).await {
                Ok(grant) => {
                    self.known().failed = None;
                    return grant;
                }
                Err(error) => self.go_alone(&error),
            }
        }
        // By the monotonic clock: alone, nothing is shared with a process that has another.
        let now = i64::try_from(self.began.elapsed().as_micros()).unwrap_or(i64::MAX);
        let mut known = self.known();
        let (grant, after) = place.rate.place(known.due.get(&place.cap).copied(), now, place.places, place.within);
        known.due.extend(after.map(|after| (place.cap, after)));
        grant
    }

    /// Notes that a model has no requests left for `time`; zero lifts that.
    pub(super) async fn hold(&self, account: &Account, model: &ModelId, time: Duration) {
        // Here first: in this process it holds also while the store is away.
        self.known().note(account, model, time);
        if let Some(store) = self.store()
            && let Err(error) = store.hold(account, model, time).await
        {
            self.go_alone(&error);
        }
    }

    /// Time for which a model has no requests left; `None` when it has.
    pub(super) async fn hold_of(&self, account: &Account, model: &ModelId) -> Option<Duration> {
        self.refresh(account).await;
        let known = self.known();
        if known.holds.is_empty() {
            return None;
        }
        let until = known.holds.get(&(account.clone(), model.clone())).copied()?;
        Some(until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    /// Learns what other processes learnt, at most four times a second.
    async fn refresh(&self, account: &Account) {
        let Some(store) = self.store() else { return };
        {
            let mut known = self.known();
            if known.refreshed.is_some_and(|refreshed| refreshed.elapsed() < REFRESH) {
                return;
            }
            // Before the store answers, so that calls which come meanwhile do not ask it as well.
            known.refreshed = Some(Instant::now());
        }
        match store.holds(account).await {
            Ok(holds) => {
                let mut known = self.known();
                // Holds that another process lifted go; those of other accounts are not in the answer.
                // One that this process noted while the store answered goes, too, until the next look, 250 ms later:
                // requests of that moment meet a 429.
                known.holds.retain(|(held, _), _| held != account);
                for (model, left) in &holds {
                    known.note(account, model, *left);
                }
            }
            Err(error) => self.go_alone(&error),
        }
    }

    /// The warning that the pace is not shared: given once.
    pub(super) fn warning(&self) -> Option<String> {
        let mut known = self.known();
        let Warning::Pending(why) = &mut known.warning else { return None };
        let why = std::mem::take(why);
        known.warning = Warning::Given;
        Some(why)
    }

    /// Reason why the store failed the last time.
    pub(super) fn failure(&self) -> Option<String> {
        self.known().failed.as_ref().map(|(_, why)| why.clone())
    }

    /// The store, unless it is being left alone after a failure.
    fn store(&self) -> Option<&Arc<dyn PaceStore>> {
        let is_left = self.known().failed.as_ref().is_some_and(|(since, _)| since.elapsed() < ALONE);
        self.store.as_ref().filter(|_| !is_left)
    }

    fn go_alone(&self, error: &store::Error) {
        let why = error.to_string();
        let mut known = self.known();
        if matches!(known.warning, Warning::None) {
            tracing::warn!(%why, "rate limits are not shared with other programs");
            known.warning = Warning::Pending(why.clone());
        }
        known.failed = Some((Instant::now(), why));
    }

    fn known(&self) -> MutexGuard<'_, AccountPace> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AccountPace {
    fn note(&mut self, account: &Account, model: &ModelId, left: Duration) {
        let now = Instant::now();
        let held = (account.clone(), model.clone());
        self.holds.retain(|other, until| *until > now && *other != held);
        if !left.is_zero() && self.holds.len() < MOST_HOLDS {
            self.holds.insert(held, now + left);
        }
    }
}
