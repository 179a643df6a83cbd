//! The pace of requests, by the engine's own clock.

use std::{num::NonZeroU32, time::Duration};

use futures_util::future::join_all;
use mcp_openai::{
    handle::Account,
    model::ModelId,
    store::pace::{PaceCap, PlaceGrant, PlaceRequest, Rate},
};

use super::{Engine, account, until};

const FAR: Duration = Duration::from_hours(1);

/// 60 a minute: seven at once after a rest, the others a good second apart.
pub fn place(within: Duration) -> PlaceRequest {
    PlaceRequest { cap: PaceCap::Requests, rate: Rate::per_minute(NonZeroU32::new(60).unwrap()), places: 1, within }
}

pub fn wait(grant: PlaceGrant) -> Duration {
    match grant {
        PlaceGrant::Granted { wait } => wait,
        PlaceGrant::TooFar { .. } => panic!("{grant:?}"),
    }
}

/// Each of twenty has a place of its own: seven at once, the others not sooner than the cap allows.
pub fn assert_spaced(mut waits: Vec<Duration>) {
    waits.sort();
    let spacing = Duration::from_mins(1) / 54;
    for (place, wait) in waits.iter().enumerate() {
        let least = spacing * u32::try_from(place).unwrap().saturating_sub(6);
        // The first of them was asked for a moment before the last.
        assert!(*wait + Duration::from_secs(1) > least, "{place}: {wait:?} < {least:?}");
        assert!(*wait <= least + Duration::from_millis(1), "{place}: {wait:?} > {least:?}");
    }
}

pub async fn places_of_one_cap_are_taken_one_after_another(engine: &impl Engine) {
    let (store, account) = (engine.open(), account());
    let all = join_all((0..20).map(|_| store.pace.pass(&account, place(FAR)))).await;
    assert_spaced(all.into_iter().map(|grant| wait(grant.unwrap())).collect());
}

pub async fn a_place_that_is_too_far_is_not_taken(engine: &impl Engine) {
    let store = engine.open();
    for _ in 0..7 {
        store.pace.pass(&account(), place(FAR)).await.unwrap();
    }
    for _ in 0..3 {
        let refused = store.pace.pass(&account(), place(Duration::from_millis(1))).await.unwrap();
        assert!(matches!(refused, PlaceGrant::TooFar { .. }), "{refused:?}");
    }
    assert!(wait(store.pace.pass(&account(), place(FAR)).await.unwrap()) < Duration::from_secs(2), "it is the eighth");
}

pub async fn places_are_taken_together_or_not_at_all(engine: &impl Engine) {
    let store = engine.open();
    let ten = PlaceRequest { places: 10, ..place(Duration::from_millis(1)) };
    let spacing = Duration::from_mins(1) / 54;
    let waited = wait(store.pace.pass(&account(), ten).await.unwrap());
    assert!(waited > spacing * 2 && waited < spacing * 3 + Duration::from_millis(1), "{waited:?}");
    assert!(matches!(store.pace.pass(&account(), ten).await.unwrap(), PlaceGrant::TooFar { .. }));
    assert!(wait(store.pace.pass(&account(), place(FAR)).await.unwrap()) < spacing * 4 + Duration::from_millis(1));
}

pub async fn accounts_and_caps_have_their_own_pace(engine: &impl Engine) {
    let store = engine.open();
    for _ in 0..9 {
        store.pace.pass(&account(), place(FAR)).await.unwrap();
    }
    let pictures = PlaceRequest { cap: PaceCap::Pictures, ..place(FAR) };
    assert_eq!(wait(store.pace.pass(&account(), pictures).await.unwrap()), Duration::ZERO);
    assert_eq!(wait(store.pace.pass(&Account("b".into()), place(FAR)).await.unwrap()), Duration::ZERO);
}

pub async fn a_hold_passes_and_is_lifted(engine: &impl Engine) {
    let store = engine.open();
    let model = |name: &str| ModelId::parse(name).unwrap();
    store.pace.hold(&account(), &model("short"), Duration::from_millis(50)).await.unwrap();
    store.pace.hold(&account(), &model("long"), FAR).await.unwrap();
    store.pace.hold(&account(), &model("lifted"), FAR).await.unwrap();
    store.pace.hold(&account(), &model("lifted"), Duration::ZERO).await.unwrap();
    store.pace.hold(&Account("b".into()), &model("theirs"), FAR).await.unwrap();
    until(vec![model("long")], async || {
        let holds = store.pace.holds(&account()).await.unwrap();
        assert!(holds.iter().all(|(_, left)| *left <= FAR));
        holds.into_iter().map(|(model, _)| model).collect()
    })
    .await;
}
