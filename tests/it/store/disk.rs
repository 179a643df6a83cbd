//! Disks as they are: full, read-only, removed, locked. Nothing here stops the process, and what was told stays.

use std::{
    fs,
    io::Read,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
    time::Duration,
};

use mcp_openai::{
    handle::{IdMint, Owner},
    store::{
        Error,
        money::{Reservation, Reserved},
    },
};
use rusqlite::Connection;

use super::{
    EVER, Engine, OnDisk, Store,
    child::{self, Running, Task},
    on_disk, paid, reservation, said, standing, stands, turn, usd,
};

/// True where this user may mount file systems of its own.
fn may_mount() -> bool {
    let tried = Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
    tried.is_ok_and(|tried| tried.status.success())
}

#[test]
fn on_a_full_disk_nothing_that_was_told_is_lost_and_room_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let mount = r#"mount -t tmpfs -o size=2m tmpfs "$0" && head -c 1m /dev/zero > "$0/ballast" && exec "$@""#;
    // Where nobody may mount: the same of files that may not grow.
    let limit = r#"trap '' XFSZ; ulimit -f 1000; exec "$@""#;
    let (before, has_room) = if may_mount() {
        (vec!["unshare", "-rm", "sh", "-c", mount, path], true)
    } else {
        (vec!["sh", "-c", limit, path], false)
    };
    let mut told = Running::spawn(child::command(&before, Task::Fill, folder.path())).rest();
    assert_eq!(told.pop().as_deref(), Some("all there"), "{told:?}");
    let refused = told.iter().position(|told| told.contains("cannot be used")).expect("it was full");
    assert!(refused > 10, "{told:?}");
    assert!(!has_room || told[refused].contains("the disk is full"), "{}", told[refused]);
    assert!(told[refused].contains("its disk not full, or set state.dir"), "{}", told[refused]);
    assert_eq!(told.len() > refused + 1, has_room, "{told:?}");
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    for round in ["empty", "with a store in it"] {
        let mount = r#"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@""#;
        let before = if may_mount() { vec!["unshare", "-rm", "sh", "-c", mount, path] } else { vec![] };
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
        let told = Running::spawn(child::command(&before, Task::Keep, folder.path())).rest();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let [told] = told.try_into().unwrap();
        assert!(told.contains(path) && told.contains("Make the folder writable"), "{round}: {told}");
        assert_eq!(Running::start(Task::Keep, folder.path()).rest(), ["kept: true"], "{round}");
    }
}

#[tokio::test]
async fn a_folder_that_is_removed_is_made_again() {
    let engine = on_disk();
    let (store, mint) = (engine.open(), IdMint::default());
    let gone = said(&store, &mint, None, "before").await;
    let request = reservation(mint.mint(), 0.1, Some(5.0));
    store.money.reserve(request.clone()).await.unwrap();
    fs::remove_dir_all(engine.0.path().join("state")).unwrap();
    let kept = said(&store, &mint, None, "after").await;
    assert!(store.turns.thread(&Owner::local(), gone, EVER).await.unwrap().is_empty());
    assert_eq!(store.turns.thread(&Owner::local(), kept, EVER).await.unwrap().len(), 1);
    // What was begun before is booked all the same.
    store.money.settle(paid(&request, 0.03)).await.unwrap();
    assert_eq!(standing(&store).await.spent, usd(0.03));
}

#[tokio::test]
async fn nothing_is_made_for_a_question_and_what_is_made_is_private() {
    let engine = on_disk();
    let (store, mint, state) = (engine.open(), IdMint::default(), engine.0.path().join("state"));
    assert!(store.turns.thread(&Owner::local(), mint.mint(), EVER).await.unwrap().is_empty());
    assert!(store.money.lines_after(None, 1).await.unwrap().is_empty());
    standing(&store).await;
    assert!(!state.exists());
    said(&store, &mint, None, "a secret").await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    let files: Vec<_> = fs::read_dir(&state).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() > 1 && files.iter().all(|file| mode(file) == 0o600), "{files:?}");
}

#[tokio::test]
async fn i02_a_link_in_the_place_of_the_store_is_not_followed() {
    let engine = on_disk();
    let (state, elsewhere) = (engine.0.path().join("state"), engine.0.path().join("elsewhere"));
    fs::create_dir(&state).unwrap();
    fs::write(&elsewhere, "somebody's").unwrap();
    symlink(&elsewhere, state.join("store.sqlite3")).unwrap();
    let refused = engine.open().turns.append_turn(turn(IdMint::default().mint(), None, "a turn")).await;
    assert!(matches!(refused, Err(Error::Unusable { .. })), "{refused:?}");
    assert_eq!(fs::read_to_string(elsewhere).unwrap(), "somebody's");
}

/// Another process, which holds the store until it rolls back.
fn holder(engine: &OnDisk) -> Connection {
    let holder = Connection::open(engine.0.path().join("state/store.sqlite3")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    holder
}

/// A request with half of the day's dollar reserved for it.
async fn granted(store: &Store, mint: &IdMint) -> Reservation {
    let request = reservation(mint.mint(), 0.5, Some(1.0));
    assert!(matches!(store.money.reserve(request.clone()).await, Ok(Reserved::Granted(_))));
    request
}

#[tokio::test]
async fn while_another_process_holds_the_store_everything_else_goes_on() {
    let engine = on_disk();
    let (store, mint) = (engine.open(), IdMint::default());
    said(&store, &mint, None, "the first").await;
    let holder = holder(&engine);
    let late = mint.mint();
    let mut append = store.turns.append_turn(turn(late, None, "the second"));
    // The writer waits; a thread that serves does not.
    for _ in 0..20 {
        let tick = tokio::time::sleep(Duration::from_millis(5));
        let won = futures_util::future::select(Box::pin(tick), &mut append).await;
        assert!(matches!(won, futures_util::future::Either::Left(_)), "it was kept while another held the store");
    }
    holder.execute_batch("ROLLBACK").unwrap();
    assert!(append.await.unwrap());
    assert_eq!(store.turns.thread(&Owner::local(), late, EVER).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_end_of_a_request_is_kept_however_long_another_process_holds_the_store() {
    let engine = on_disk();
    let (store, mint) = (engine.open(), IdMint::default());
    let request = granted(&store, &mint).await;
    let holder = holder(&engine);
    store.money.settle_later(paid(&request, 0.25));
    // Behind it, and given up: by then it was tried for as long as anybody waits.
    let refused = store.turns.append_turn(turn(mint.mint(), None, "a turn")).await;
    assert!(matches!(refused, Err(Error::Locked { .. })), "{refused:?}");
    holder.execute_batch("ROLLBACK").unwrap();
    stands(&store, 0.25, 0.0).await;
}

#[tokio::test]
async fn what_was_paid_is_kept_though_its_caller_was_told_that_the_store_is_locked() {
    let engine = on_disk();
    let (store, mint) = (engine.open(), IdMint::default());
    let request = granted(&store, &mint).await;
    let holder = holder(&engine);
    let refused = store.money.settle(paid(&request, 0.25)).await;
    assert!(matches!(refused, Err(Error::Locked { .. })), "{refused:?}");
    holder.execute_batch("ROLLBACK").unwrap();
    stands(&store, 0.25, 0.0).await;
}

#[tokio::test]
async fn the_log_begins_anew_while_a_writer_never_rests() {
    let engine = on_disk();
    let (store, mint) = (engine.open(), IdMint::default());
    said(&store, &mint, None, "the first").await;
    // Counted up each time that the log begins anew. <https://www.sqlite.org/fileformat2.html#walformat>
    let sequence = || {
        let mut header = [0; 16];
        let mut log = fs::File::open(engine.0.path().join("state/store.sqlite3-wal")).unwrap();
        log.read_exact(&mut header).unwrap();
        <[u8; 4]>::try_from(&header[12..]).unwrap()
    };
    let (before, words) = (sequence(), "w".repeat(4_000));
    for _ in 0..50_000 {
        said(&store, &mint, None, &words).await;
        if sequence() != before {
            return;
        }
    }
    panic!("it only ever grows");
}
