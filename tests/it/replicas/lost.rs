//! Answers of the database that are lost after what they tell of was written.

use chrono::Utc;
use mcp_openai::{
    handle::{IdMint, Owner},
    store::{
        Config, LEASE, PostgresUrl, Store, StorePlace,
        callers::{CallerName, CallerRights, KnownCaller, TokenHash, new_token},
        jobs::{CallPrint, NewJob},
    },
};

use super::relay::{Relay, WHOLE, WireState};
use crate::store::remote::shared;

#[tokio::test]
async fn what_was_written_before_its_answer_was_lost_is_not_taken_for_anothers() {
    let test = "what_was_written_before_its_answer_was_lost_is_not_taken_for_anothers";
    let Some(cluster) = shared(test) else { return };
    let relay = Relay::before(cluster).await;
    let url = relay.url(&cluster.new_place(), cluster);
    let place = StorePlace::Postgres(PostgresUrl::parse(&url).unwrap());
    let store = Store::build(Config { place, lease: LEASE });
    store.ready().await.unwrap();

    let alice = || {
        let name = CallerName::parse("alice").unwrap();
        KnownCaller::new(name, TokenHash::of(&new_token()), CallerRights::default())
    };
    relay.set(WHOLE, WireState::Losing);
    assert!(store.callers.add_caller(alice()).await.unwrap());
    assert!(!store.callers.add_caller(alice()).await.unwrap(), "the name is taken");

    let job = NewJob {
        id: IdMint::default().mint(),
        owner: Owner::local(),
        tool: "ask-openai".into(),
        started_at: Utc::now(),
        stage: "thinking".into(),
        resume: None,
        print: Some(CallPrint([7; 32])),
    };
    let id = job.id;
    store.jobs.hand_out(job).await.unwrap();
    relay.set(WHOLE, WireState::Losing);
    assert!(store.jobs.tell(id).await.unwrap());
    assert!(!store.jobs.tell(id).await.unwrap(), "somebody has been given it");
}
