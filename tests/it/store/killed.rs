//! Processes that are killed, and many that write at once.

use std::{
    collections::HashSet,
    io::{Write, stderr},
    path::Path,
};

use mcp_openai::handle::{Id, Owner};
use rusqlite::Connection;

use super::{
    EVER, Engine,
    child::{Running, Task},
    jobs, on_disk, standing, stands,
};

const ROUNDS: usize = 200;

fn database(state: &Path) -> Connection {
    Connection::open(state.join("store.sqlite3")).unwrap()
}

fn integrity(connection: &Connection) -> String {
    connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap()
}

fn turns(connection: &Connection) -> u32 {
    connection.query_row("SELECT count(*) FROM turns", [], |row| row.get(0)).unwrap()
}

/// Kills a child at a moment that differs from round to round. Returns all that it was told is kept.
fn round(number: usize, state: &Path) -> Vec<Id> {
    let mut child = Running::start(Task::Serve, state);
    let mut told: Vec<_> = (0..=number % 19).map_while(|_| child.told()).collect();
    // Anywhere between two answers.
    let spins = number * 2_654_435_761 % 300_000;
    (0..spins).for_each(|_| std::hint::spin_loop());
    child.process.kill().unwrap();
    told.extend(child.rest());
    assert!(!told.is_empty());
    told.into_iter().map(|id| Id::parse(&id).unwrap()).collect()
}

#[tokio::test]
async fn a_process_that_is_killed_loses_nothing_that_it_was_told() {
    let engine = on_disk();
    let state = engine.0.path().join("state");
    let mut told = HashSet::new();
    for number in 0..ROUNDS {
        told.extend(round(number, &state));
        let connection = database(&state);
        assert_eq!(integrity(&connection), "ok", "after round {number}");
        // Whole or not at all.
        let halves: i64 = connection
            .query_row(
                "SELECT (SELECT count(*) FROM turns WHERE id NOT IN (SELECT id FROM ledger WHERE unsettled = 0))
                     + (SELECT count(*) FROM ledger WHERE unsettled = 0 AND id NOT IN (SELECT id FROM turns))
                     + (SELECT count(*) FROM turns WHERE id NOT IN (SELECT id FROM jobs WHERE result = 'done'))",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(halves, 0, "after round {number}");
    }
    let store = engine.open();
    for id in &told {
        assert_eq!(store.turns.thread(&Owner::local(), *id, EVER).await.unwrap().len(), 1, "{id}");
        assert_eq!(jobs::state(&store, *id).await, Some(jobs::finished("done")), "{id}");
    }
    let lines = store.money.lines_after(None, usize::MAX).await.unwrap();
    let booked: HashSet<_> = lines.iter().map(|line| line.id.number).collect();
    assert!(told.iter().all(|id| booked.contains(&id.number)));
    // What the dead had reserved is booked, too: each call once, all at the same price.
    super::until(mcp_openai::money::Usd::ZERO, async || standing(&store).await.reserved).await;
    let lines = store.money.lines_after(None, usize::MAX).await.unwrap();
    assert!(lines.len() >= told.len());
    let spent = f64::from(u32::try_from(lines.len()).unwrap()) / 1_000.0;
    stands(&store, spent, 0.0).await;
}

#[test]
fn four_processes_that_write_at_once_all_come_to_their_end() {
    const CALLS: u32 = 250;
    let engine = on_disk();
    let state = engine.0.path().join("state");
    let children = [(); 4].map(|()| Running::start(Task::Hammer(CALLS), &state));
    let worst = children.map(|child| child.rest().pop().expect("it came to its end"));
    let _ = writeln!(stderr(), "the longest waits of four processes, in microseconds: {worst:?}");
    let connection = database(&state);
    assert_eq!((turns(&connection), integrity(&connection).as_str()), (4 * CALLS, "ok"));
}

#[test]
fn programs_that_make_the_store_at_once_make_one() {
    for _ in 0..5 {
        let engine = on_disk();
        let state = engine.0.path().join("state");
        let children = [(); 6].map(|()| Running::start(Task::Keep, &state));
        for child in children {
            assert_eq!(child.rest(), ["kept: true"]);
        }
        let connection = database(&state);
        assert_eq!((turns(&connection), integrity(&connection).as_str()), (6, "ok"));
        let files = std::fs::read_dir(&state).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        assert!(files.into_iter().all(|name| !name.contains("damaged")));
    }
}
