//! The store by itself: races, damage, age.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use mcp_openai::{
    conversation::Error,
    media::{Content, Dimensions, Format},
};
use tempfile::TempDir;

use super::*;

fn me() -> Owner {
    Owner::local()
}

fn file(dir: &TempDir, handle: &Handle) -> PathBuf {
    dir.path().join("conversations").join(format!("{}.jsonl", handle.root()))
}

fn files(dir: &TempDir) -> usize {
    fs::read_dir(dir.path().join("conversations")).unwrap().count()
}

async fn begin(store: &Conversations, query: &str) -> Handle {
    store.begin(&me()).append(turn(query, "")).await.unwrap()
}

async fn go_on(store: &Conversations, from: &Handle, query: &str) -> Handle {
    store.open(&me(), &from.to_string()).await.unwrap().append(turn(query, "")).await.unwrap()
}

fn grow_old(path: PathBuf) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - 31 * DAY).unwrap();
}

#[tokio::test]
async fn nothing_is_made_before_the_first_turn() {
    let dir = tempfile::tempdir().unwrap();
    let thread = store(dir.path()).begin(&me());
    assert!(thread.turns().is_empty() && !dir.path().join("conversations").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_kept_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let thread = store(dir.path()).begin(&me());
    thread.keep(Content::Memory(Bytes::from_static(b"%PDF-"))).await.unwrap();
    thread.append(turn("one", "1")).await.unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(dir.path().join("conversations")), 0o700);
    for entry in fs::read_dir(dir.path().join("conversations")).unwrap() {
        assert_eq!(mode(entry.unwrap().path()), 0o600);
    }
}

#[tokio::test]
async fn p03_no_race_loses_a_turn() {
    const WRITERS: usize = 40;
    let dir = tempfile::tempdir().unwrap();
    let first = begin(&store(dir.path()), "one").await;
    // Each a store of its own, as processes have.
    let writers = (0..WRITERS).map(|writer| {
        let (store, first) = (store(dir.path()), first.clone());
        async move { go_on(&store, &first, &format!("branch {writer}")).await }
    });
    let handles = futures_util::future::join_all(writers).await;
    let mut numbers: Vec<_> = handles.iter().map(Handle::n).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (2..).take(WRITERS).collect::<Vec<_>>());
    for (writer, handle) in handles.iter().enumerate() {
        let thread = store(dir.path()).open(&me(), &handle.to_string()).await.unwrap();
        assert_eq!(thread.turns().len(), 2);
        assert_eq!(thread.turns()[1].said, [Said::Text { text: format!("branch {writer}") }]);
    }
}

#[tokio::test]
async fn p01_a_line_that_was_cut_off_is_passed_over_and_the_next_one_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let first = begin(&store, "one").await;
    let whole = fs::read(file(&dir, &first)).unwrap();
    let line = whole.split_inclusive(|&byte| byte == b'\n').nth(1).unwrap().to_vec();
    let line = String::from_utf8(line).unwrap().replace(r#"{"n":1,"#, r#"{"n":2,"parent":1,"#);
    for cut in [1, line.len() / 2, line.len() - 2] {
        OpenOptions::new().append(true).open(file(&dir, &first)).unwrap().write_all(&line.as_bytes()[..cut]).unwrap();
        assert_eq!(store.open(&me(), &first.to_string()).await.unwrap().turns().len(), 1);
    }
    let second = go_on(&store, &first, "two").await;
    assert_eq!(second.n(), 2);
    // Written whole, but for its end: its number is taken.
    let complete = line.trim_end().replace(r#""n":2"#, r#""n":3"#);
    OpenOptions::new().append(true).open(file(&dir, &first)).unwrap().write_all(complete.as_bytes()).unwrap();
    let fourth = go_on(&store, &second, "four").await;
    assert_eq!(fourth.n(), 4);
    assert_eq!(store.open(&me(), &fourth.to_string()).await.unwrap().turns().len(), 3);
}

#[tokio::test]
async fn p04_damage_is_told_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let first = begin(&store, "one").await;
    let second = go_on(&store, &first, "two").await;
    let lines = fs::read_to_string(file(&dir, &first)).unwrap();
    fs::write(file(&dir, &first), lines.replace(r#"{"n":1,"#, r#"{"n":"#)).unwrap();
    let error = store.open(&me(), &second.to_string()).await.unwrap_err();
    assert!(matches!(&error, Error::Storage { .. }), "{error}");
    assert!(error.to_string().ends_with("a turn before this one is damaged"), "{error}");

    // A newer program's file, of any age.
    fs::write(file(&dir, &first), lines.replace(r#""version":1"#, r#""version":2"#)).unwrap();
    assert!(matches!(store.open(&me(), &first.to_string()).await, Err(Error::NotFound(_))));
    grow_old(file(&dir, &first));
    let other = begin(&store, "other").await;
    let fresh = super::store(dir.path());
    go_on(&fresh, &other, "and a sweep").await;
    assert!(file(&dir, &first).exists());
}

#[tokio::test]
async fn attachments_come_back_and_go_with_their_conversation() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let thread = store.begin(&me());
    let file = thread.keep(Content::Memory(Bytes::from_static(b"a picture"))).await.unwrap();
    let dimensions = Dimensions { width: 3, height: 2 };
    let said = Said::Picture { name: "a.png".into(), format: Format::Png, dimensions, file: file.clone() };
    let first = thread.append(Turn { said: vec![said.clone()], ..turn("", "1") }).await.unwrap();

    let thread = store.open(&me(), &first.to_string()).await.unwrap();
    assert_eq!(thread.turns()[0].said, [said]);
    assert_eq!(thread.open(&file).await.unwrap().read(0, 100).unwrap(), "a picture");
    let other = begin(&store, "other").await;
    let elsewhere = store.open(&me(), &other.to_string()).await.unwrap();
    for name in [file.as_str(), "../conversations", "/etc/passwd", &format!("{}.jsonl", other.root())] {
        assert!(elsewhere.open(name).await.is_err(), "{name}");
    }

    assert_eq!(files(&dir), 3);
    store.remove(&me(), &first).await.unwrap();
    assert_eq!(files(&dir), 1);
    assert!(matches!(store.remove(&me(), &first).await, Err(Error::NotFound(_))));
    assert!(matches!(store.remove(&Owner("http:192.0.2.1".into()), &other).await, Err(Error::NotFound(_))));
    // Removed while a call went on from it: that is told, and nothing of it comes back.
    let late = thread.append(turn("two", "2")).await.unwrap_err();
    assert!(matches!(late, Error::NotFound(_)), "{late}");
    assert_eq!(files(&dir), 1);
}

#[tokio::test]
async fn what_nobody_goes_on_with_expires_with_all_that_belongs_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let writing = store(dir.path());
    let live = begin(&writing, "live").await;
    let thread = writing.begin(&me());
    let attachment = thread.keep(Content::Memory(Bytes::from_static(b"a picture"))).await.unwrap();
    let long_ago = Turn { at: chrono::Utc::now() - chrono::TimeDelta::days(31), ..turn("old", "") };
    let old = thread.append(long_ago).await.unwrap();
    assert!(matches!(writing.open(&me(), &old.to_string()).await, Err(Error::NotFound(_))), "before any sweep");

    let attachment = dir.path().join("conversations").join(attachment);
    let draft = dir.path().join("conversations").join(format!(".{}.jsonl.0123456789abcdef", old.root()));
    let foreign = dir.path().join("conversations").join("notes.txt");
    File::create(&draft).unwrap();
    File::create(&foreign).unwrap();
    for path in [file(&dir, &old), attachment.clone(), draft.clone(), foreign.clone()] {
        grow_old(path);
    }
    // Another process comes by.
    go_on(&store(dir.path()), &live, "still").await;
    let give_up = std::time::Instant::now() + Duration::from_secs(10);
    while [&file(&dir, &old), &attachment, &draft].iter().any(|path| path.exists()) {
        assert!(std::time::Instant::now() < give_up, "it is still there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(foreign.exists() && file(&dir, &live).exists());
}

#[tokio::test]
async fn the_newest_come_first_and_only_the_owners() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let mut handles = Vec::new();
    for (age, query) in ["new", "middle", "old"].into_iter().enumerate() {
        let handle = begin(&store, query).await;
        let written = SystemTime::now() - Duration::from_secs(60 * age as u64);
        OpenOptions::new().write(true).open(file(&dir, &handle)).unwrap().set_modified(written).unwrap();
        handles.push(handle);
    }
    store.begin(&Owner("http:192.0.2.1".into())).append(turn("theirs", "")).await.unwrap();
    let newest = store.newest(&me(), 2).await.unwrap();
    assert_eq!(newest.iter().map(|summary| summary.first_words.as_str()).collect::<Vec<_>>(), ["new", "middle"]);
    let found = store.beginning_with(&me(), &format!("conv_{}", handles[2].root()), 9).await.unwrap();
    assert_eq!(found.into_iter().map(|summary| summary.handle).collect::<Vec<_>>(), handles[2..]);
}
