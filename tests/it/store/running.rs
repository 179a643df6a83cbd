//! Calls of a caller at once, in all processes together.

use std::num::NonZeroU32;

use futures_util::future::join_all;
use mcp_openai::store::{Store, callers::CallerName, pace::RunningCall};

use super::{Engine, SHORT_LEASE, until};

pub fn alice() -> CallerName {
    CallerName::parse("alice").unwrap()
}

/// A call of Alice, who may have so many.
pub async fn begin(store: &Store, most: u32) -> Option<RunningCall> {
    store.pace.begin_call(&alice(), NonZeroU32::new(most).unwrap()).await.unwrap()
}

pub async fn calls_at_once_are_counted_until_they_end_or_are_dropped(engine: &impl Engine) {
    let store = engine.open();
    let (first, second) = (begin(&store, 2).await, begin(&store, 2).await.unwrap());
    assert!(first.is_some() && begin(&store, 2).await.is_none());
    let bob = CallerName::parse("bob").unwrap();
    assert!(store.pace.begin_call(&bob, NonZeroU32::MIN).await.unwrap().is_some(), "another has its own");
    drop(first);
    let third = begin(&store, 2).await;
    assert!(third.is_some() && begin(&store, 2).await.is_none());
    second.end().await;
    assert!(begin(&store, 2).await.is_some());
}

pub async fn of_calls_at_once_in_three_processes_exactly_as_many_run_as_may(engine: &impl Engine) {
    let stores = [(); 3].map(|()| engine.open());
    let all = join_all((0..30).map(|at: usize| begin(&stores[at % 3], 7))).await;
    let mut running: Vec<_> = all.into_iter().flatten().collect();
    assert_eq!(running.len(), 7);
    while let Some(ended) = running.pop() {
        ended.end().await;
    }
    // Wherever they ran, their end is known everywhere.
    let all = join_all((0..30).map(|_| begin(&stores[0], 7))).await;
    assert_eq!(all.iter().flatten().count(), 7);
}

pub async fn calls_of_a_dead_process_count_until_its_lease_is_over(engine: &impl Engine) {
    let (dead, alive) = (engine.open(), engine.open());
    let calls = [begin(&dead, 2).await.unwrap(), begin(&dead, 2).await.unwrap()];
    // Longer than a lease: as long as it lives, it renews it.
    let since = std::time::Instant::now();
    while since.elapsed() < SHORT_LEASE * 2 {
        assert!(begin(&alive, 2).await.is_none());
        tokio::time::sleep(SHORT_LEASE / 10).await;
    }
    drop(dead);
    until(true, async || begin(&alive, 2).await.is_some()).await;
    let both = [begin(&alive, 2).await, begin(&alive, 2).await];
    assert!(both.iter().all(Option::is_some) && begin(&alive, 2).await.is_none());
    drop(calls);
}
