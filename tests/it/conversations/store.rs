//! The rules of threads: owners, expiry, attachments, and what is kept beside the turns.

use std::fs;

use bytes::Bytes;
use mcp_openai::{
    conversation::Error,
    media::{Content, Dimensions, Format},
};

use super::*;

fn me() -> Owner {
    Owner::local()
}

async fn begin(store: &Conversations, query: &str) -> Handle {
    store.begin(&me()).append(turn(query, "")).await.unwrap()
}

async fn go_on(store: &Conversations, from: Handle, query: &str) -> Handle {
    store.open(&me(), &from.to_string()).await.unwrap().append(turn(query, "")).await.unwrap()
}

async fn bytes_of(content: Content) -> Option<Bytes> {
    tokio::task::spawn_blocking(move || content.read(0, 100).ok()).await.unwrap()
}

#[tokio::test]
async fn nothing_is_made_before_the_first_turn() {
    let dir = tempfile::tempdir().unwrap();
    let thread = store(dir.path()).begin(&me());
    assert!(thread.turns().is_empty() && fs::read_dir(dir.path()).unwrap().next().is_none());
    assert!(store(dir.path()).newest(&me(), 9).await.unwrap().is_empty());
    assert!(fs::read_dir(dir.path()).unwrap().next().is_none(), "nor for a question");
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_kept_is_private_and_nothing_lies_beside_it() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let thread = store(&state).begin(&me());
    thread.keep(Content::Memory(Bytes::from_static(b"%PDF-"))).await.unwrap();
    thread.append(turn("one", "1")).await.unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(state.clone()), 0o700);
    for entry in fs::read_dir(state).unwrap() {
        let entry = entry.unwrap();
        assert!(entry.file_name().to_str().unwrap().starts_with("store."), "{entry:?}");
        assert_eq!(mode(entry.path()), 0o600);
    }
}

#[tokio::test]
async fn attachments_come_back_and_go_with_their_conversation() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let thread = store.begin(&me());
    let attachment = thread.keep(Content::Memory(Bytes::from_static(b"a picture"))).await.unwrap();
    let dimensions = Dimensions { width: 3, height: 2 };
    let said = Said::Picture { name: "a.png".into(), format: Format::Png, dimensions, bytes: 9, attachment };
    let first = thread.append(Turn { said: vec![said.clone()], ..turn("", "1") }).await.unwrap();

    let thread = store.open(&me(), &first.to_string()).await.unwrap();
    assert_eq!(thread.turns()[0].said, [said]);
    assert_eq!(bytes_of(thread.attachment(attachment, 9)).await.unwrap(), "a picture");
    let other = begin(&store, "other").await;
    let elsewhere = store.open(&me(), &other.to_string()).await.unwrap();
    assert_eq!(bytes_of(elsewhere.attachment(attachment, 9)).await, None, "another conversation has it not");

    assert!(matches!(store.remove(&Owner("http:192.0.2.1".into()), first).await, Err(Error::NotFound(_))));
    store.remove(&me(), first).await.unwrap();
    assert_eq!(bytes_of(thread.attachment(attachment, 9)).await, None);
    assert!(matches!(store.remove(&me(), first).await, Err(Error::NotFound(_))));
    // Removed while a call went on from it: that is told, and nothing of it comes back.
    let late = thread.append(turn("two", "2")).await.unwrap_err();
    assert!(matches!(late, Error::NotFound(_)), "{late}");
    assert_eq!(store.newest(&me(), 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_nobody_goes_on_with_expires() {
    let dir = tempfile::tempdir().unwrap();
    let writing = store(dir.path());
    let long_ago = || Turn { at: chrono::Utc::now() - chrono::TimeDelta::days(31), ..turn("old", "") };
    let old = writing.begin(&me()).append(long_ago()).await.unwrap();
    assert!(matches!(writing.open(&me(), &old.to_string()).await, Err(Error::NotFound(_))), "before any sweep");
    assert!(writing.newest(&me(), 9).await.unwrap().is_empty());
    // A turn that came later keeps the whole of its conversation.
    let kept = writing.begin(&me()).append(long_ago()).await.unwrap();
    let patient = patient(dir.path());
    let live = go_on(&patient, kept, "still").await;
    assert_eq!(writing.open(&me(), &live.to_string()).await.unwrap().turns().len(), 2);
    writing.open(&me(), &kept.to_string()).await.unwrap();
}

#[tokio::test]
async fn the_newest_come_first_and_only_the_owners() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let mut handles = Vec::new();
    for query in ["old", "middle", "new"] {
        handles.push(begin(&store, query).await);
    }
    store.begin(&Owner("http:192.0.2.1".into())).append(turn("theirs", "")).await.unwrap();
    let words = async |most| -> Vec<String> {
        store.newest(&me(), most).await.unwrap().into_iter().map(|summary| summary.first_words).collect()
    };
    assert_eq!(words(2).await, ["new", "middle"]);
    let branch = go_on(&store, handles[0], "and on").await;
    assert_eq!(words(2).await, ["old", "new"], "by the newest turn");
    let found = store.beginning_with(&me(), branch.to_string().split_at(25).0, 9).await.unwrap();
    assert_eq!(found.into_iter().map(|summary| summary.handle).collect::<Vec<_>>(), [branch]);
}

#[tokio::test]
async fn p04_a_turn_that_cannot_be_read_is_told_with_the_way_out() {
    let (server, state) = (answering().await, tempfile::tempdir().unwrap());
    let mut session = session(&server, state.path()).await;
    let first = handle(&ask(&mut session, json!({ "query": "one" })).await);
    let database = rusqlite::Connection::open(state.path().join("store.sqlite3")).unwrap();
    database.execute("UPDATE turns SET body = '{'", []).unwrap();
    let result = ask(&mut session, json!({ "query": "two", "conversation": first })).await;
    assert_eq!(code(&result), "storage_failed");
    let text = result["content"][0]["text"].as_str().unwrap();
    assert_eq!(
        text,
        format!(
            "the turn {first} cannot be read: it is damaged, or of a later version of mcp-openai. Leave `conversation` \
             out to begin a new one."
        )
    );
    assert_eq!(received(&server).await.len(), 1, "and costs nothing");
}
