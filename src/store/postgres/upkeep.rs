//! Upkeep, which nobody waits for: reservations that were put off, and the lease. It starts when it is first needed,
//! and sleeps while nothing runs.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{sync::Notify, time::timeout};

use super::{
    engine::{PostgresEngine, PostgresState},
    fault::PostgresFault,
    money,
};
use crate::store::process::DEFERRED;

/// The life of the upkeep: it ends with the store.
pub(super) async fn run(state: Weak<PostgresState>, bell: Arc<Notify>) {
    while let Some(engine) = state.upgrade().map(PostgresEngine) {
        if let Err(fault) = pass(&engine).await {
            tracing::warn!(error = %engine.error(fault), "the lease of this process is not renewed");
        }
        let next = next(&engine);
        // Held while it sleeps, the store would never be dropped.
        drop(engine);
        match next {
            Some(next) => drop(timeout(next, bell.notified()).await),
            None => bell.notified().await,
        }
    }
}

async fn pass(engine: &PostgresEngine) -> Result<(), PostgresFault> {
    for reservation in engine.process().take_due() {
        // Each in a transaction of its own: one that waits for its lock holds up no other.
        let reservation = Arc::new(reservation);
        engine.persist_later("a request that was begun", move |engine| {
            let reservation = reservation.clone();
            async move { money::write_begun(&engine, &reservation).await }
        });
    }
    if engine.process().is_running() { engine.live().await } else { Ok(()) }
}

/// When to look again; `None` waits for the bell alone.
fn next(engine: &PostgresEngine) -> Option<Duration> {
    let process = engine.process();
    // Seldom enough not to matter, and no renewal, due at a third, is late by more.
    let soon = process.lease / 10;
    match (process.has_begun(), process.is_running()) {
        (true, _) => Some(DEFERRED.min(soon)),
        (false, true) => Some(soon),
        (false, false) => None,
    }
}
