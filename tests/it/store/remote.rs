//! A PostgreSQL as it is: out of reach, unwilling, made by others, gone for a while.

use std::{
    env,
    io::{Write as _, stderr},
    net::{Ipv4Addr, TcpListener},
    process::{Command, Output, Stdio},
};

use futures_util::future::join_all;
use mcp_openai::{
    handle::{Id, IdMint, Owner},
    money::Usd,
    store::{Config, Error, LEASE, PostgresUrl, Store, StorePlace, jobs::JobState},
};

use super::{EVER, cluster, cluster::Cluster, paid, reservation, running, said, standing, stands, turn, until, usd};

/// The cluster of all tests; says which test cannot be tried without one.
pub fn shared(test: &str) -> Option<&'static Cluster> {
    let cluster = cluster::SHARED.as_ref();
    if cluster.is_none() {
        let _ = writeln!(stderr(), "{test}: not tried, PostgreSQL is not installed");
    }
    cluster
}

/// A cluster of the test's own, which it may stop.
pub fn own(test: &str) -> Option<Cluster> {
    shared(test).and_then(|_| Cluster::start())
}

fn open(url: &str) -> Store {
    Store::build(Config { place: StorePlace::Postgres(PostgresUrl::parse(url).unwrap()), lease: LEASE })
}

/// Starts the program with this store, and waits for its end.
fn run(command: &[&str], url: &str) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_mcp-openai"));
    let home = tempfile::tempdir().unwrap();
    program.args(command).env_clear().env("HOME", home.path()).env("MCP_OPENAI_STORE_URL", url);
    program.stdin(Stdio::null()).output().unwrap()
}

/// The program's exit code, and all that it says.
fn refused(command: &[&str], url: &str) -> (Option<i32>, String) {
    let ended = run(command, url);
    let said = [ended.stdout, ended.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(!said.contains("canary-password"), "{said}");
    (ended.status.code(), said)
}

const SERVERS: [&[&str]; 3] = [&[], &["stdio"], &["http", "--bind", "127.0.0.1:0"]];

#[test]
fn i07_a_server_that_cannot_reach_its_store_does_not_start_and_says_why() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    for command in SERVERS {
        let (code, said) = refused(command, &format!("postgres://me:canary-password@{closed}/x"));
        assert_eq!(code, Some(78), "{said}");
        assert!(said.contains(&format!("the store at postgres://me@{closed}/x cannot be reached: ")), "{said}");
        assert!(said.contains("refused") && said.contains("Start PostgreSQL, or correct store.url."), "{said}");
        assert_eq!(said.matches("cannot be reached").count(), 1, "{said}");
    }
}

#[test]
fn i07_a_url_that_is_none_is_refused_without_being_shown() {
    let (code, said) = refused(&[], "mysql://me:canary-password@localhost/x");
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("store.url") && said.contains("it is not a postgres:// URL"), "{said}");
}

#[test]
fn i07_a_wrong_password_is_said_and_not_shown() {
    let Some(cluster) = shared("i07_a_wrong_password_is_said_and_not_shown") else { return };
    cluster.sql("CREATE ROLE guarded LOGIN PASSWORD 'another'");
    let (code, said) = refused(SERVERS[2], &cluster.url("guarded", ""));
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("refuses: password authentication failed"), "{said}");
    let (_, doctor) = refused(&["doctor"], &cluster.url("guarded", ""));
    assert!(doctor.contains("password authentication failed") && doctor.contains("postgres://guarded@"), "{doctor}");
}

#[tokio::test]
async fn a_database_of_others_is_left_alone() {
    let Some(cluster) = shared("a_database_of_others_is_left_alone") else { return };
    let url = cluster.new_place();
    let place = url.rsplit("%3D").next().unwrap();
    cluster.sql(&format!("CREATE TABLE {place}.turns (theirs int)"));
    let refused = open(&url).ready().await.unwrap_err();
    assert!(matches!(&refused, Error::Refused { why, .. } if why.contains("already exists")), "{refused}");
    assert!(refused.remedy().contains("a database of its own"));
    cluster.sql(&format!("SELECT theirs FROM {place}.turns"));
}

#[tokio::test]
async fn replicas_that_start_at_once_make_one_schema_and_a_later_one_is_kept() {
    let Some(cluster) = shared("replicas_that_start_at_once_make_one_schema_and_a_later_one_is_kept") else { return };
    let url = cluster.new_place();
    let place = url.rsplit("%3D").next().unwrap();
    let stores: Vec<_> = (0..5).map(|_| open(&url)).collect();
    join_all(stores.iter().map(Store::ready)).await.into_iter().for_each(|ready| ready.unwrap());
    let id = said(&stores[0], &IdMint::default(), None, "a fox").await;

    cluster.sql(&format!("UPDATE {place}.marks SET value = 99 WHERE name = 'schema'"));
    let old = open(&url);
    assert_eq!(old.turns.thread(&Owner::local(), id, EVER).await.unwrap().len(), 1, "its maker says that it can");
    cluster.sql(&format!("UPDATE {place}.marks SET value = 50 WHERE name = 'usable_from'"));
    let refused = open(&url).ready().await.unwrap_err();
    assert!(matches!(refused, Error::Newer { found: 99, .. }), "{refused}");
}

/// Leavings of a program with an earlier schema: its tables, one ledger line, one job, and its marks.
#[tokio::test]
async fn databases_of_earlier_schemas_are_migrated_and_lose_nothing() {
    let Some(cluster) = shared("databases_of_earlier_schemas_are_migrated_and_lose_nothing") else { return };
    let first = include_str!("../../../src/store/postgres/schema_1.sql");
    let second = include_str!("../../../src/store/postgres/schema_2.sql");
    for (number, schema) in [(1, first.to_owned()), (2, format!("{first}; {second}"))] {
        let url = cluster.new_place();
        let place = url.rsplit("%3D").next().unwrap();
        cluster.sql(&format!(
            "SET search_path = {place}; {schema}; INSERT INTO marks VALUES ('schema', {number}), ('usable_from', 1);
             INSERT INTO ledger VALUES (1, 2, 'a', 'ask-openai', 'm', 'c', NULL, 20000000000, 0, NULL, false);
             INSERT INTO jobs VALUES (4, 7, 'local', 'ask-openai', 1, NULL, '', NULL, false, 2, 'done')"
        ));
        let store = open(&url);
        assert_eq!(store.money.lines_after(None, 10).await.unwrap()[0].cost, Some(usd(0.02)));
        assert_eq!(store.callers.callers().await.unwrap(), []);
        let job = store.jobs.job(&Owner::local(), Id { number: 4, secret: 7 }).await.unwrap().unwrap();
        assert_eq!((job.state, job.is_abandoned), (JobState::Finished { result: "done".into() }, false));
        assert_eq!(store.jobs.abandoned(&Owner::local(), "ask-openai", LEASE).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_thousand_reservations_of_three_replicas_at_once_are_exact() {
    let Some(cluster) = shared("a_thousand_reservations_of_three_replicas_at_once_are_exact") else { return };
    let (url, mint) = (cluster.new_place(), IdMint::default());
    let stores = [(); 3].map(|()| open(&url));
    let all = (0..1_000).map(|at: usize| stores[at % 3].money.reserve(reservation(mint.mint(), 0.1, Some(50.0))));
    let all = join_all(all).await;
    let granted = all.iter().filter(|all| matches!(all, Ok(mcp_openai::store::money::Reserved::Granted(_)))).count();
    assert_eq!((granted, all.iter().filter(|all| all.is_err()).count()), (500, 0));
    assert_eq!(standing(&stores[0]).await.reserved, usd(50.0));
}

#[tokio::test]
async fn while_the_database_is_gone_nothing_is_promised_and_what_was_paid_is_kept_once_it_is_back() {
    let test = "while_the_database_is_gone_nothing_is_promised_and_what_was_paid_is_kept_once_it_is_back";
    let Some(cluster) = own(test) else { return };
    let (store, mint) = (open(&cluster.new_place()), IdMint::default());
    let sent = [reservation(mint.mint(), 0.1, Some(5.0)), reservation(mint.mint(), 0.1, Some(5.0))];
    for request in &sent {
        store.money.reserve(request.clone()).await.unwrap();
    }
    cluster.stop();
    // No money, no request.
    let refused = store.money.reserve(reservation(mint.mint(), 0.1, Some(5.0))).await.unwrap_err();
    assert!(matches!(refused, Error::Away { .. }), "{refused}");
    assert!(refused.to_string().contains("cannot be reached") && !refused.to_string().contains("canary"), "{refused}");
    // An answer that came back meanwhile was paid for: whoever waits hears that it is not kept yet.
    let id = mint.mint();
    let end = mcp_openai::store::money::Settlement { turn: Some(turn(id, None, "paid for")), ..paid(&sent[0], 0.03) };
    assert!(matches!(store.money.settle(end).await.unwrap_err(), Error::Away { .. }));
    store.money.settle_later(paid(&sent[1], 0.04));
    cluster.serve();
    stands(&store, 0.07, 0.0).await;
    assert_eq!(store.turns.thread(&Owner::local(), id, EVER).await.unwrap().len(), 1);
    assert_eq!(store.money.lines_after(None, 10).await.unwrap().len(), 2);
    store.money.reserve(reservation(mint.mint(), 0.1, Some(5.0))).await.unwrap();
    assert_ne!(standing(&store).await.reserved, Usd::ZERO);
}

#[tokio::test]
async fn calls_that_end_while_the_database_is_gone_leave_their_places_once_it_is_back() {
    let test = "calls_that_end_while_the_database_is_gone_leave_their_places_once_it_is_back";
    let Some(cluster) = own(test) else { return };
    let url = cluster.new_place();
    let (store, other) = (open(&url), open(&url));
    let calls = join_all((0..9).map(|_| running::begin(&store, 9))).await;
    assert!(calls.iter().all(Option::is_some) && running::begin(&other, 9).await.is_none());
    cluster.stop();
    let refused = store.pace.begin_call(&running::alice(), 9.try_into().unwrap()).await.unwrap_err();
    assert!(matches!(refused, Error::Away { .. }), "{refused}");
    for call in calls.into_iter().flatten() {
        drop(call);
    }
    cluster.serve();
    until(9, async || {
        let begun = join_all((0..9).map(|_| running::begin(&other, 9))).await;
        begun.into_iter().flatten().count()
    })
    .await;
}

/// Its database is away from the start, and no budget asks it before.
#[tokio::test]
async fn what_is_paid_while_the_database_is_away_is_told_to_be_kept_later() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let upstream = crate::ledger::answering(crate::ledger::response()).await;
    let mut settings = crate::session::upstream(&upstream.uri());
    settings.push(("MCP_OPENAI_STORE_URL", format!("postgres://me@{closed}/x")));
    let mut session = crate::session::Session::start(settings).await;
    let told = session.call("ask-openai", serde_json::json!({ "query": "Why?" })).await;
    let warnings = told["structuredContent"]["warnings"].as_array().unwrap();
    let start = "The cost and the turn of this call are kept once the store can be reached again, if this server still runs then; \
                 this answer cannot be continued: the store at postgres://me@";
    assert!(warnings.iter().any(|warning| warning.as_str().unwrap().starts_with(start)), "{told}");
}
