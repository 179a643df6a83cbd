//! Search by words: nothing that is typed is an error or an operator.

use chrono::{TimeDelta, Utc};
use mcp_openai::{
    handle::{Id, IdMint, Owner},
    store::{
        Store,
        turns::{NewTurn, TurnQuery},
    },
};

use super::{EVER, Engine, said, turn};

fn query() -> TurnQuery {
    TurnQuery { owner: Owner::local(), since: EVER, most: 10 }
}

async fn found(store: &Store, words: &str) -> Vec<Id> {
    store.turns.search(query(), words).await.unwrap().into_iter().map(|found| found.newest).collect()
}

pub async fn all_words_must_stand_in_one_turn(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let fox = said(&store, &mint, None, "The quick brown fox jumps over the lazy dog").await;
    let dog = said(&store, &mint, None, "A dog sleeps").await;
    let later = said(&store, &mint, Some(dog), "and dreams of a fox").await;
    assert_eq!(found(&store, "dog quick").await, [fox]);
    assert_eq!(found(&store, "dreams").await, [later], "a conversation is found by any turn, once");
    assert_eq!(found(&store, "  FOX  dog ").await, [fox]);
    assert_eq!(found(&store, "cat").await, []);
    assert_eq!(found(&store, "").await, []);
    let limited = store.turns.search(TurnQuery { most: 1, ..query() }, "dog").await.unwrap();
    assert_eq!(limited.len(), 1);
}

pub async fn nothing_in_words_is_an_operator_or_an_error(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let id = said(&store, &mint, None, "AND OR NOT NEAR say hello-world 100% c++ o'clock a:b \"quoted\" (in brackets)")
        .await;
    for words in [
        "AND",
        "OR NOT",
        "near",
        "\"quoted\"",
        "(in",
        "hello-world",
        "100%",
        "c++",
        "o'clock",
        "a:b",
        "\"",
        "say *",
        "^say",
        "-say",
        "say!",
    ] {
        // A word without a letter says nothing; the others are all there.
        let expected = if words.chars().any(char::is_alphanumeric) { vec![id] } else { vec![] };
        assert_eq!(found(&store, words).await, expected, "{words}");
    }
    let long = "word ".repeat(3_000);
    for words in [
        "NEAR(a b, 2)",
        "words : say",
        "{words} : say",
        "sa*",
        "\0",
        "say \0",
        "'; DROP TABLE turns; --",
        "\u{202e}",
        "\"\"\"",
        "\\",
        &long,
    ] {
        assert!(store.turns.search(query(), words).await.is_ok(), "{words:?}");
    }
    assert_eq!(found(&store, "hello").await, [id], "and nothing was dropped");
}

pub async fn words_are_found_in_every_script(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    for (said_so, words) in [
        ("Größe und Maß", "größe"),
        ("Größe und Maß", "grosse"),
        ("un café crème", "cafe creme"),
        ("cafe\u{301} au lait", "café"),
        ("Быстрая лиса", "ЛИСА"),
        ("ο γρήγορος", "ΓΡΉΓΟΡΟΣ"),
        ("敏捷的 棕色 狐狸", "狐狸"),
        ("שועל מהיר", "שועל"),
        ("今日は日本語で話します。", "日本"),
        ("今日は日本語で話します。", "語"),
        ("東京タワーのポスター", "タワー"),
        ("敏捷的棕色狐狸", "狐狸 棕色"),
        ("用GPT画一只狐狸", "gpt画"),
        ("한국어를 배우다", "한국어"),
        ("\u{1112}\u{1161}\u{11ab}글을 쓰다", "한글"),
    ] {
        let id = said(&store, &mint, None, said_so).await;
        let expected = if words == "grosse" { vec![] } else { vec![id] };
        assert_eq!(found(&store, words).await, expected, "{words}");
        store.turns.remove(&Owner::local(), id).await.unwrap();
    }
}

pub async fn letters_that_do_not_stand_together_are_no_word(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let id = said(&store, &mint, None, "大学の東").await;
    assert_eq!(found(&store, "大学").await, [id]);
    assert_eq!(found(&store, "東大").await, []);
    assert_eq!(found(&store, "学大").await, []);
    store.turns.remove(&Owner::local(), id).await.unwrap();
    assert_eq!(found(&store, "大学").await, [], "the index forgets what it was given");
}

pub async fn what_was_removed_is_not_found(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let (gone, stays) = (said(&store, &mint, None, "a fox").await, said(&store, &mint, None, "another fox").await);
    said(&store, &mint, Some(gone), "a fox again").await;
    assert_eq!(found(&store, "fox").await.len(), 2);
    store.turns.remove(&Owner::local(), gone).await.unwrap();
    assert_eq!(found(&store, "fox").await, [stays]);
    // Also what was removed before it was looked for.
    let unseen = said(&store, &mint, None, "a third fox").await;
    store.turns.remove(&Owner::local(), unseen).await.unwrap();
    assert_eq!(found(&store, "fox").await, [stays]);
}

pub async fn turns_that_end_late_are_found(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let slow = mint.mint();
    said(&store, &mint, None, "a quick fox").await;
    assert_eq!(found(&store, "fox").await.len(), 1);
    store.turns.append_turn(turn(slow, None, "a slow fox")).await.unwrap();
    assert_eq!(found(&store, "slow").await, [slow]);
    store.turns.remove(&Owner::local(), slow).await.unwrap();
    assert_eq!(found(&store, "slow").await, []);
}

pub async fn only_the_owners_living_conversations_are_found(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let own = said(&store, &mint, None, "a fox").await;
    let theirs = NewTurn { owner: Owner("somebody".into()), ..turn(mint.mint(), None, "their fox") };
    store.turns.append_turn(theirs).await.unwrap();
    let old = NewTurn { at: Utc::now() - TimeDelta::days(40), ..turn(mint.mint(), None, "an old fox") };
    store.turns.append_turn(old).await.unwrap();
    let living = TurnQuery { since: Utc::now() - TimeDelta::days(30), ..query() };
    let found: Vec<_> = store.turns.search(living, "fox").await.unwrap().into_iter().map(|it| it.newest).collect();
    assert_eq!(found, [own]);
}
