//! Stores as released programs made them: opened, migrated, and nothing of them lost.
//!
//! A fixture is a store that a program of one schema left, with everything in it that is read here; it never changes.

use std::{fs, path::Path};

use chrono::Utc;
use mcp_openai::{
    handle::{Id, Owner},
    store::{
        Store,
        facts::{Fact, FactKind},
        turns::TurnQuery,
    },
};
use rusqlite::Connection;

use super::{EVER, Engine, account, jobs, on_disk, paid, reservation, turn, usd};

/// The fixture of each schema before this program's.
pub const FIXTURES: [&str; 6] = [
    "tests/it/store/schema_1.sqlite3",
    "tests/it/store/schema_2.sqlite3",
    "tests/it/store/schema_3.sqlite3",
    "tests/it/store/schema_4.sqlite3",
    "tests/it/store/schema_5.sqlite3",
    "tests/it/store/schema_6.sqlite3",
];

fn id(number: i64) -> Id {
    Id { number, secret: 7 }
}

/// What every fixture holds.
pub async fn fill(store: &Store) {
    store.turns.append_turn(turn(id(1), None, "a fox")).await.unwrap();
    store.turns.append_turn(turn(id(2), Some(id(1)), "a wolf")).await.unwrap();
    store.turns.attach(id(1), id(3), b"a file".into()).await.unwrap();
    store.jobs.hand_out(jobs::job(id(4), None)).await.unwrap();
    store.jobs.finish(jobs::result(id(4), "done")).await.unwrap();
    store.money.settle(paid(&reservation(id(5), 0.1, None), 0.02)).await.unwrap();
    let (name, value) = ("m".to_owned(), "a lesson".to_owned());
    let fact = Fact { kind: FactKind::Lesson, upstream: "one".into(), name, value, learnt_at: Utc::now() };
    store.facts.learn(fact).await.unwrap();
    let query = TurnQuery { owner: Owner::local(), since: EVER, most: 1 };
    store.turns.search(query, "fox").await.unwrap();
}

/// The statements that made everything in a database, in the order of the names.
fn made_by(path: &Path) -> Vec<(String, String)> {
    let database = Connection::open(path).unwrap();
    let mut select =
        database.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
    select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn stores_of_released_programs_are_migrated_and_lose_nothing() {
    let fresh = on_disk();
    fill(&fresh.open()).await;
    for fixture in FIXTURES {
        let engine = on_disk();
        let path = engine.0.path().join("state/store.sqlite3");
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(fixture), &path).unwrap();
        let store = engine.open();
        let lines = store.money.lines_after(None, 10).await.unwrap();
        let [line] = &lines[..] else { panic!("{fixture}: {lines:?}") };
        assert_eq!((line.cost, &line.outcome), (Some(usd(0.02)), &None), "{fixture}");
        assert_eq!(store.money.standing(&account(), lines[0].at.date_naive()).await.unwrap().spent, usd(0.02));
        assert_eq!(store.turns.thread(&Owner::local(), id(2), EVER).await.unwrap().len(), 2, "{fixture}");
        assert_eq!(store.turns.attachment(id(1), id(3)).await.unwrap().as_deref(), Some(&b"a file"[..]));
        assert_eq!(jobs::state(&store, id(4)).await, Some(jobs::finished("done")));
        let within = std::time::Duration::MAX;
        assert_eq!(store.jobs.abandoned(&Owner::local(), "ask-openai", within).await.unwrap(), [], "{fixture}");
        assert_eq!(store.facts.facts(FactKind::Lesson, "one", EVER).await.unwrap()[0].value, "a lesson");
        let query = TurnQuery { owner: Owner::local(), since: EVER, most: 10 };
        assert_eq!(store.turns.search(query, "wolf").await.unwrap()[0].turns, 2);
        store.turns.append_turn(turn(id(9), Some(id(2)), "and a dog")).await.unwrap();
        drop(store);
        assert_eq!(made_by(&path), made_by(&fresh.0.path().join("state/store.sqlite3")), "{fixture}");
    }
}
