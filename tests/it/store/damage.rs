//! Stores that are damaged, and stores of a later version.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use mcp_openai::{
    handle::{Id, IdMint, Owner},
    store::Error,
};
use rusqlite::Connection;

use super::{
    EVER, Engine, OnDisk,
    child::{Running, Task},
    on_disk, paid, reservation, said, standing, turn, usd,
};

const FILE: &str = "state/store.sqlite3";

/// A store with something in it, closed, in one file.
async fn filled() -> (OnDisk, PathBuf, Id) {
    let engine = on_disk();
    let (store, mint) = (engine.open(), IdMint::default());
    let mut last = None;
    for _ in 0..100 {
        last = Some(said(&store, &mint, last, &"word ".repeat(100)).await);
    }
    drop(store);
    let path = engine.0.path().join(FILE);
    alone(&path);
    (engine, path, last.unwrap())
}

/// Moves the log into the database, so that nothing lies beside it.
fn alone(path: &Path) {
    let database = Connection::open(path).unwrap();
    // A store that goes is closed by its own thread.
    while database.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).is_err() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// All files of a folder, by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    files.map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())).collect()
}

type Damage = fn(Vec<u8>) -> Vec<u8>;

#[tokio::test]
async fn p04_a_damaged_store_is_set_aside_and_nothing_paid_is_refused() {
    let kinds: [(&str, Damage); 5] = [
        ("garbage", |_| b"This is no database, however long one looks at it. ".repeat(100)),
        ("zeros", |bytes| vec![0; bytes.len()]),
        ("half of it", |mut bytes| {
            bytes.truncate(bytes.len() / 2);
            bytes
        }),
        ("its head alone", |mut bytes| {
            bytes.truncate(100);
            bytes
        }),
        ("all but its head", |mut bytes| {
            bytes.iter_mut().skip(4096).for_each(|byte| *byte = !*byte);
            bytes
        }),
    ];
    for (name, damage) in kinds {
        let (engine, path, last) = filled().await;
        let damaged = damage(fs::read(&path).unwrap());
        fs::write(&path, &damaged).unwrap();
        let (store, mint) = (engine.open(), IdMint::default());
        let request = reservation(mint.mint(), 0.1, Some(5.0));
        store.money.reserve(request.clone()).await.expect(name);
        store.money.settle(paid(&request, 0.02)).await.expect(name);
        assert_eq!(standing(&store).await.spent, usd(0.02), "{name}");
        let kept = said(&store, &mint, None, "a new beginning").await;
        assert_eq!(store.turns.thread(&Owner::local(), kept, EVER).await.unwrap().len(), 1, "{name}");
        assert!(store.turns.thread(&Owner::local(), last, EVER).await.unwrap().is_empty(), "{name}");
        let aside: Vec<_> = files(path.parent().unwrap())
            .into_iter()
            .filter(|(name, _)| name.starts_with("store-damaged-20"))
            .collect();
        assert_eq!(aside.len(), 1, "{name}");
        assert!(aside[0].0.ends_with(".sqlite3") && aside[0].1 == damaged, "{name}: {}", aside[0].0);
    }
}

#[tokio::test]
async fn of_processes_that_find_the_same_damage_one_sets_it_aside() {
    let (_keep, path, _) = filled().await;
    fs::write(&path, "garbage ".repeat(1000)).unwrap();
    let state = path.parent().unwrap();
    let children = [(); 4].map(|()| Running::start(Task::Keep, state));
    for child in children {
        assert_eq!(child.rest(), ["kept: true"]);
    }
    let kept: u32 =
        Connection::open(&path).unwrap().query_row("SELECT count(*) FROM turns", [], |row| row.get(0)).unwrap();
    let aside = files(state).into_keys().filter(|name| name.starts_with("store-damaged-")).count();
    assert_eq!((kept, aside), (4, 1));
}

#[tokio::test]
async fn p04_a_store_of_a_later_version_is_left_byte_for_byte_alone() {
    let (engine, path, last) = filled().await;
    let later = "PRAGMA user_version = 999; UPDATE marks SET value = 999 WHERE name = 'usable_from'";
    Connection::open(&path).unwrap().execute_batch(later).unwrap();
    let before = files(path.parent().unwrap());
    let (store, mint) = (engine.open(), IdMint::default());
    let refused = store.turns.append_turn(turn(mint.mint(), None, "a turn")).await;
    assert!(matches!(refused, Err(Error::Newer { found: 999, .. })), "{refused:?}");
    let refused = store.turns.thread(&Owner::local(), last, EVER).await;
    assert!(matches!(refused, Err(Error::Newer { .. })), "{refused:?}");
    let refused = store.money.lines_after(None, 1).await.unwrap_err();
    assert!(refused.to_string().contains("made by a newer version"), "{refused}");
    assert!(refused.remedy().contains("Update this program"));
    drop(store);
    assert_eq!(files(path.parent().unwrap()), before);
}

#[tokio::test]
async fn a_store_of_a_later_version_is_used_where_that_version_says_so() {
    let (engine, path, last) = filled().await;
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 999").unwrap();
    let (store, mint) = (engine.open(), IdMint::default());
    said(&store, &mint, Some(last), "an old program goes on").await;
    drop(store);
    let version: u32 = Connection::open(&path).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 999);
}
