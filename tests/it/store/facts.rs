//! Learnt facts.

use chrono::{DateTime, TimeDelta, Utc};
use mcp_openai::store::{
    Store,
    facts::{Fact, FactKind},
};

use super::{EVER, Engine};

fn fact(name: &str, value: &str, learnt_at: DateTime<Utc>) -> Fact {
    let (name, value) = (name.to_owned(), value.to_owned());
    Fact { kind: FactKind::Lesson, upstream: "one".into(), name, value, learnt_at }
}

async fn values(store: &Store, since: DateTime<Utc>) -> Vec<String> {
    let facts = store.facts.facts(FactKind::Lesson, "one", since).await.unwrap();
    facts.into_iter().map(|fact| fact.value).collect()
}

pub async fn the_newest_fact_of_a_name_counts(engine: &impl Engine) {
    let (store, now) = (engine.open(), Utc::now());
    assert!(values(&store, EVER).await.is_empty());
    for (name, value, age) in [("a", "old", 9), ("b", "only", 5), ("a", "new", 1), ("a", "late, and older", 3)] {
        store.facts.learn(fact(name, value, now - TimeDelta::days(age))).await.unwrap();
    }
    assert_eq!(values(&store, EVER).await, ["only", "new"], "oldest first");
    assert_eq!(values(&store, now - TimeDelta::days(2)).await, ["new"]);
}

pub async fn facts_are_told_apart_by_kind_and_upstream(engine: &impl Engine) {
    let (store, now) = (engine.open(), Utc::now());
    store.facts.learn(fact("a", "a lesson", now)).await.unwrap();
    store.facts.learn(Fact { kind: FactKind::Listing, ..fact("a", "a list", now) }).await.unwrap();
    store.facts.learn(Fact { upstream: "two".into(), ..fact("a", "another's", now) }).await.unwrap();
    assert_eq!(values(&store, EVER).await, ["a lesson"]);
    assert_eq!(store.facts.facts(FactKind::Listing, "two", EVER).await.unwrap(), []);
}

pub async fn the_oldest_facts_go_beyond_a_thousand(engine: &impl Engine) {
    let (store, now) = (engine.open(), Utc::now());
    let all = (0..1_010).map(|age| {
        let fact = fact(&format!("name {age}"), &age.to_string(), now - TimeDelta::seconds(age));
        store.facts.learn(fact)
    });
    futures_util::future::join_all(all).await.into_iter().for_each(|learnt| learnt.unwrap());
    store.facts.learn(Fact { upstream: "two".into(), ..fact("a", "another's", now) }).await.unwrap();
    let kept = values(&store, EVER).await;
    assert_eq!((kept.len(), kept[0].as_str(), kept[999].as_str()), (1_000, "999", "0"));
}
