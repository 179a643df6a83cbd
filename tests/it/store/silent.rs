//! A PostgreSQL that takes connections and answers nothing: whoever needs it hears so within 5 s, in time that nobody waits for.

use std::{net::Ipv4Addr, time::Duration};

use futures_util::future::join_all;
use mcp_openai::{
    handle::{IdMint, Owner},
    store::{Config, Error, LEASE, PostgresUrl, Store, StorePlace},
};
use serde_json::json;
use tokio::{net::TcpListener, time::Instant};

use super::{EVER, account, pace, remote::shared, reservation, running};
use crate::{
    ledger::{answering, response, sent},
    replicas::relay::{Relay, WHOLE, WireState},
    session::{self, Session},
};

/// A little more than what is promised.
const AT_MOST: Duration = Duration::from_millis(5_100);
/// More than there are connections.
const AT_ONCE: usize = 30;

fn open(url: &str) -> Store {
    Store::build(Config { place: StorePlace::Postgres(PostgresUrl::parse(url).unwrap()), lease: LEASE })
}

/// All doors that a call goes through say that it is away, and none of them late.
async fn assert_silent(store: &Store) {
    let mint = IdMint::default();
    let asked = (0..AT_ONCE).map(|at| {
        let (store, id) = (store.clone(), mint.mint());
        async move {
            // Some come while others wait.
            tokio::time::sleep(Duration::from_millis(100) * u32::try_from(at % 7).unwrap()).await;
            let since = Instant::now();
            let ended = match at % 4 {
                0 => store.pace.pass(&account(), pace::place(Duration::ZERO)).await.map(drop),
                1 => store.money.reserve(reservation(id, 0.1, Some(5.0))).await.map(drop),
                2 => store.turns.thread(&Owner::local(), id, EVER).await.map(drop),
                _ => store.pace.begin_call(&running::alice(), 2.try_into().unwrap()).await.map(drop),
            };
            (ended, since.elapsed())
        }
    });
    for (ended, after) in join_all(asked).await {
        assert!(matches!(ended, Err(Error::Away { .. })), "{ended:?}");
        assert!(after < AT_MOST, "{after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_database_that_never_answers_is_away_after_five_seconds() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let store = open(&format!("postgres://me@{}/x", silent.local_addr().unwrap()));
    assert_silent(&store).await;
}

#[tokio::test]
async fn a_database_that_falls_silent_is_away_after_five_seconds_and_then_back() {
    let Some(cluster) = shared("a_database_that_falls_silent_is_away_after_five_seconds_and_then_back") else { return };
    let relay = Relay::before(cluster).await;
    let store = open(&relay.url(&cluster.new_place(), cluster));
    // Its connections are made, and idle.
    let (account, place) = (account(), pace::place(Duration::from_hours(1)));
    let passed = join_all((0..AT_ONCE).map(|_| store.pace.pass(&account, place))).await;
    assert!(passed.iter().all(Result::is_ok), "{passed:?}");
    relay.set(WireState::Cut, WireState::Cut);
    tokio::time::pause();
    assert_silent(&store).await;
    tokio::time::resume();
    relay.set(WHOLE, WHOLE);
    store.pace.pass(&account, place).await.unwrap();
}

/// Whatever a call looks up before it needs the store.
#[tokio::test(start_paused = true)]
async fn a_call_that_needs_a_silent_database_ends_after_five_seconds() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let upstream = answering(response()).await;
    let mut settings = session::upstream(&upstream.uri());
    settings.push(("MCP_OPENAI_STORE_URL", format!("postgres://me@{}/x", silent.local_addr().unwrap())));
    settings.push(("MCP_OPENAI_SPEND_PER_DAY", "5".to_owned()));
    let mut session = Session::start(settings).await;
    let since = Instant::now();
    let told = session.call("ask-openai", json!({ "query": "Why?" })).await;
    assert_eq!(told["structuredContent"]["error"]["code"], "storage_failed", "{told}");
    // It looks something up first that it can do without; from then on the store has failed, and is waited for less.
    assert!(since.elapsed() < AT_MOST * 3 / 2, "{:?}", since.elapsed());
    assert_eq!(sent(&upstream).await.len(), 0, "nothing is sent that is not counted");
}
