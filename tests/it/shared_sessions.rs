//! Sessions of older clients on several replicas: any of them serves what another opened, to its owner alone.

mod streams;

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use mcp_openai::{
    store::{CallerStore, Config, LEASE, PostgresUrl, Store, StorePlace, callers::CallerLimits},
    transport::http::ServiceStore,
};
use serde_json::json;

use crate::{
    authentication::caller,
    fakes::bench,
    http::{Site, config, message, no_callers, site_on, slow},
    store::{
        cluster::Cluster,
        remote::{own, shared},
    },
};

/// Replicas on one database, which has a place of their own.
struct Replicas<'a> {
    cluster: &'a Cluster,
    url: String,
    callers: Arc<dyn CallerStore>,
}

impl<'a> Replicas<'a> {
    fn on(cluster: &'a Cluster) -> Self {
        // Of the callers nothing is shared: only what the test is about is.
        Self { cluster, url: cluster.new_place(), callers: no_callers() }
    }

    async fn another(&self) -> Site {
        let place = StorePlace::Postgres(PostgresUrl::parse(&self.url).unwrap());
        let sessions = Store::build(Config { place, lease: LEASE }).sessions;
        assert!(sessions.is_some());
        site_on(ServiceStore { callers: self.callers.clone(), sessions }, config("127.0.0.1:0"), bench()).await
    }

    fn sql(&self, sql: &str) {
        let place = self.url.rsplit("%3D").next().unwrap();
        self.cluster.sql(&format!("SET search_path = {place}; {sql}"));
    }
}

async fn ping(site: &Site, headers: &str) -> u16 {
    site.post(headers, &message(1, "ping", json!({}))).await.status
}

#[tokio::test]
async fn a_session_of_one_replica_is_served_by_another_to_its_owner_alone() {
    let test = "a_session_of_one_replica_is_served_by_another_to_its_owner_alone";
    let Some(cluster) = shared(test) else { return };
    let replicas = Replicas::on(cluster);
    let alice = caller(&replicas.callers, "alice", CallerLimits::default()).await;
    let bob = caller(&replicas.callers, "bob", CallerLimits::default()).await;
    let (first, second) = (replicas.another().await, replicas.another().await);
    let session = first.session_of(&alice).await;
    assert_eq!(ping(&second, &format!("{bob}{session}")).await, 404);
    let (own, echo) = (format!("{alice}{session}"), json!({"name": "echo", "arguments": {"text": "hi"}}));
    for site in [&second, &first, &second] {
        let answer = site.post(&own, &message(2, "tools/call", echo.clone())).await;
        assert_eq!(answer.last_event()["result"]["content"][0]["text"], "hi", "{}", answer.body);
    }
    assert_eq!(ping(&second, &format!("{bob}{session}")).await, 404, "it is open there now");
    let unknown = "Mcp-Session-Id: 0123\r\nMCP-Protocol-Version: 2025-11-25\r\n";
    assert_eq!(ping(&second, &format!("{alice}{unknown}")).await, 404);
}

#[tokio::test]
async fn a_call_of_a_session_is_cancelled_at_another_replica() {
    let Some(cluster) = shared("a_call_of_a_session_is_cancelled_at_another_replica") else { return };
    let replicas = Replicas::on(cluster);
    let (runs, other) = (replicas.another().await, replicas.another().await);
    let (session, theirs) = (runs.session().await, runs.session().await);
    let calls = [(&session, 600_000), (&theirs, 600_001)];
    let mut running = Vec::new();
    for (session, takes) in calls {
        running.push(runs.open(&runs.request(session, &message(7, "tools/call", slow(takes)))).await);
    }
    runs.slow_calls_started(2).await;
    let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
    let since = Instant::now();
    // Its connection to the database may be on its way.
    while runs.bench.slow.cancelled.load(Ordering::SeqCst) == 0 {
        assert!(since.elapsed() < Duration::from_secs(30), "it is never cancelled");
        assert_eq!(other.post(&session, &cancelled.to_string()).await.status, 202);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(ping(&runs, &theirs).await, 200);
    assert_eq!(runs.bench.slow.cancelled.load(Ordering::SeqCst), 1, "the other session's goes on");
    drop(running);
}

#[tokio::test]
async fn a_session_that_was_ended_or_unused_for_too_long_is_nowhere_restored() {
    let test = "a_session_that_was_ended_or_unused_for_too_long_is_nowhere_restored";
    let Some(cluster) = shared(test) else { return };
    let replicas = Replicas::on(cluster);
    let (first, second, third) = (replicas.another().await, replicas.another().await, replicas.another().await);
    let (ended, unused) = (first.session().await, first.session().await);
    assert_eq!(self::ended(&second, &ended).await, 204);
    replicas.sql("UPDATE sessions SET used_at = used_at - 13 * 3600000000");
    for session in [ended, unused] {
        assert_eq!(ping(&third, &session).await, 404);
    }
}

async fn ended(site: &Site, session: &str) -> u16 {
    let end = format!("DELETE /mcp HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{session}\r\n", site.address);
    site.raw(&end).await.status
}

#[tokio::test]
async fn a_session_that_is_ended_at_one_replica_ends_where_it_is_open_too() {
    let Some(cluster) = shared("a_session_that_is_ended_at_one_replica_ends_where_it_is_open_too") else { return };
    let replicas = Replicas::on(cluster);
    let (first, second) = (replicas.another().await, replicas.another().await);
    let (since, other) = (Instant::now(), first.session().await);
    assert_eq!(ping(&second, &other).await, 200);
    // A notification is lost while the connection that hears it is on its way.
    'heard: loop {
        let session = first.session().await;
        assert_eq!([ping(&second, &session).await, ended(&first, &session).await], [200, 204]);
        for _ in 0..20 {
            if ping(&second, &session).await == 404 {
                break 'heard;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(since.elapsed() < Duration::from_secs(30), "it never ends");
    }
    assert_eq!(ping(&second, &other).await, 200, "the other one goes on");
}

#[tokio::test]
async fn a_replica_that_does_not_hear_of_an_end_misses_the_session_in_the_store() {
    let test = "a_replica_that_does_not_hear_of_an_end_misses_the_session_in_the_store";
    let Some(cluster) = shared(test) else { return };
    let replicas = Replicas::on(cluster);
    let first = replicas.another().await;
    let (gone, kept) = (first.session().await, first.session().await);
    let id = gone.lines().find_map(|line| line.strip_prefix("Mcp-Session-Id: ")).unwrap();
    replicas.sql(&format!("DELETE FROM sessions WHERE id = '{id}'"));
    assert_eq!(ping(&first, &gone).await, 200, "not yet");
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(10)).await;
    tokio::time::resume();
    assert_eq!([ping(&first, &gone).await, ping(&first, &kept).await], [404, 200]);
}

#[tokio::test]
async fn of_one_owner_the_store_has_as_many_sessions_as_a_server() {
    let test = "of_one_owner_the_store_has_as_many_sessions_as_a_server";
    let Some(cluster) = shared(test) else { return };
    let replicas = Replicas::on(cluster);
    let (first, second) = (replicas.another().await, replicas.another().await);
    let mut own = Vec::new();
    for _ in 0..66 {
        own.push(first.session().await);
    }
    assert_eq!([ping(&first, &own[0]).await, ping(&second, &own[1]).await], [404; 2], "the oldest went");
    assert_eq!([ping(&first, &own[64]).await, ping(&second, &own[65]).await], [200; 2]);
}

#[tokio::test]
async fn while_the_database_is_gone_sessions_of_this_replica_go_on_and_others_are_not_given_up() {
    let test = "while_the_database_is_gone_sessions_of_this_replica_go_on_and_others_are_not_given_up";
    let Some(cluster) = own(test) else { return };
    let replicas = Replicas::on(&cluster);
    let (first, second) = (replicas.another().await, replicas.another().await);
    let session = first.session().await;
    cluster.stop();
    assert_eq!(ping(&first, &session).await, 200);
    // After a 404 the client would forget it.
    assert_eq!(ping(&second, &session).await, 503);
    let later = first.session().await;
    assert_eq!(ping(&first, &later).await, 200, "it is this server's alone");
    cluster.serve();
    while ping(&second, &session).await != 200 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
