//! Callers of the HTTP service.

use chrono::{DateTime, Utc};
use mcp_openai::store::{
    Store,
    callers::{CallerChange, CallerLimits, CallerName, CallerRights, CallerScope, KnownCaller, TokenHash, new_token},
};

use super::{Engine, usd};

fn name(text: &str) -> CallerName {
    CallerName::parse(text).unwrap()
}

fn rights() -> CallerRights {
    let limits = CallerLimits { running: 3.try_into().ok(), usd_per_day: Some(usd(0.123)), ..CallerLimits::default() };
    CallerRights { scopes: [CallerScope::Ask, CallerScope::Usage].into(), limits }
}

fn caller(named: &str) -> KnownCaller {
    let moment = DateTime::from_timestamp_micros(Utc::now().timestamp_micros()).unwrap();
    KnownCaller { created_at: moment, ..KnownCaller::new(name(named), TokenHash::of(&new_token()), rights()) }
}

async fn names(store: &Store) -> Vec<String> {
    store.callers.callers().await.unwrap().iter().map(|caller| caller.name.to_string()).collect()
}

pub async fn callers_are_kept_in_the_order_of_their_names(engine: &impl Engine) {
    let store = engine.open();
    assert_eq!(names(&store).await, [""; 0]);
    let (alice, bob) = (caller("alice"), caller("bob@b.example"));
    for caller in [&bob, &alice] {
        assert!(store.callers.add_caller(caller.clone()).await.unwrap());
    }
    assert!(!store.callers.add_caller(caller("alice")).await.unwrap(), "the name is taken");
    assert_eq!(store.callers.callers().await.unwrap(), [alice, bob]);
}

pub async fn a_caller_is_changed_and_never_lost(engine: &impl Engine) {
    let store = engine.open();
    let change = async |change| store.callers.change_caller(&name("alice"), change).await.unwrap();
    let then = DateTime::from_timestamp_micros(1_800_000_000_000_001).unwrap();
    assert!(!change(CallerChange::Revoked(then)).await, "there is none");
    let alice = caller("alice");
    store.callers.add_caller(alice.clone()).await.unwrap();
    store.callers.add_caller(caller("bob")).await.unwrap();
    let (token, rights) = (TokenHash::of(&new_token()), CallerRights::default());
    assert!(change(CallerChange::Rights(rights.clone())).await);
    assert!(change(CallerChange::Used(then)).await && change(CallerChange::Revoked(then)).await);
    let revoked = KnownCaller { rights, used_at: Some(then), revoked_at: Some(then), ..alice };
    assert_eq!(store.callers.callers().await.unwrap()[0], revoked);
    assert!(change(CallerChange::Token(token)).await);
    let again = KnownCaller { token, revoked_at: None, ..revoked };
    assert_eq!(store.callers.callers().await.unwrap()[0], again, "a new token lifts the revocation");
    assert_eq!(names(&store).await, ["alice", "bob"]);
}
