//! Conversations: branches, order, owners, expiry.

use chrono::{TimeDelta, Utc};
use futures_util::future::join_all;
use mcp_openai::{
    handle::{Id, IdMint, Owner},
    money::Usd,
    store::{
        Store,
        turns::{NewTurn, TurnQuery},
    },
};

use super::{EVER, Engine, said, turn, usd};

pub async fn fifty_branches_of_one_turn_are_all_kept(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let first = said(&store, &mint, None, "the first").await;
    let branches = (0..50).map(|_| store.turns.append_turn(turn(mint.mint(), Some(first), "a branch")));
    assert!(join_all(branches).await.into_iter().all(|kept| kept.unwrap()));
    let all = store.turns.conversation(&Owner::local(), first, EVER).await.unwrap();
    assert_eq!(all.len(), 51);
    assert!(all.iter().all(|turn| turn.root == first));
    assert!(all.iter().skip(1).all(|turn| turn.parent == Some(first)));
}

/// A conversation of five turns: 1 - 2 - 3 and 2 - 4, with 5 beside 2.
async fn branched(store: &Store, mint: &IdMint) -> [Id; 5] {
    let one = said(store, mint, None, "one").await;
    let two = said(store, mint, Some(one), "two").await;
    let three = said(store, mint, Some(two), "three").await;
    let four = said(store, mint, Some(two), "four").await;
    let five = said(store, mint, Some(one), "five").await;
    [one, two, three, four, five]
}

pub async fn a_thread_is_the_way_from_its_first_turn(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let [one, two, three, four, five] = branched(&store, &mint).await;
    for (last, expected) in
        [(one, vec![one]), (three, vec![one, two, three]), (four, vec![one, two, four]), (five, vec![one, five])]
    {
        let thread = store.turns.thread(&Owner::local(), last, EVER).await.unwrap();
        assert_eq!(thread.iter().map(|turn| turn.id).collect::<Vec<_>>(), expected);
    }
}

pub async fn a_conversation_has_all_its_branches_in_order(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let all = branched(&store, &mint).await;
    said(&store, &mint, None, "another").await;
    for asked in all {
        let found = store.turns.conversation(&Owner::local(), asked, EVER).await.unwrap();
        assert_eq!(found.iter().map(|turn| turn.id).collect::<Vec<_>>(), all);
    }
}

pub async fn turns_are_their_owners_alone(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let (stranger, own) = (Owner("somebody".into()), said(&store, &mint, None, "a secret").await);
    let guessed = Id { secret: own.secret ^ 1, ..own };
    let query = TurnQuery { owner: stranger.clone(), since: EVER, most: 10 };
    for (owner, id) in [(stranger.clone(), own), (Owner::local(), guessed), (Owner::local(), mint.mint())] {
        assert!(store.turns.thread(&owner, id, EVER).await.unwrap().is_empty());
        assert!(store.turns.conversation(&owner, id, EVER).await.unwrap().is_empty());
        assert!(!store.turns.remove(&owner, id).await.unwrap());
        let next = NewTurn { owner, ..turn(mint.mint(), Some(id), "an intruder") };
        assert!(!store.turns.append_turn(next).await.unwrap());
    }
    assert!(store.turns.newest(query.clone()).await.unwrap().is_empty());
    assert!(store.turns.search(query, "secret").await.unwrap().is_empty());
    assert!(store.turns.turns_after(&stranger, None, 10).await.unwrap().is_empty());
    assert_eq!(store.turns.conversation(&Owner::local(), own, EVER).await.unwrap().len(), 1);
}

pub async fn a_turn_without_the_one_before_is_not_kept(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let orphan = turn(mint.mint(), Some(mint.mint()), "after nothing");
    assert!(!store.turns.append_turn(orphan.clone()).await.unwrap());
    assert!(store.turns.thread(&Owner::local(), orphan.id, EVER).await.unwrap().is_empty());
}

pub async fn a_turn_is_kept_once(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let first = turn(mint.mint(), None, "the first");
    for words in ["the first", "said again"] {
        assert!(
            store
                .turns
                .append_turn(NewTurn { words: words.into(), body: words.into(), ..first.clone() })
                .await
                .unwrap()
        );
    }
    let kept = store.turns.conversation(&Owner::local(), first.id, EVER).await.unwrap();
    assert_eq!(kept.iter().map(|turn| turn.body.as_str()).collect::<Vec<_>>(), ["the first"]);
}

fn query(most: usize) -> TurnQuery {
    TurnQuery { owner: Owner::local(), since: EVER, most }
}

pub async fn conversations_are_listed_newest_first_and_no_more_than_asked_for(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let old = said(&store, &mint, None, "old").await;
    let young = said(&store, &mint, None, "young").await;
    let revived = said(&store, &mint, Some(old), "old once more").await;
    let listed = store.turns.newest(query(10)).await.unwrap();
    assert_eq!(listed.iter().map(|found| (found.newest, found.turns)).collect::<Vec<_>>(), [(revived, 2), (young, 1)]);
    assert_eq!(listed[0].first_body, r#"{"said":"old"}"#);
    assert_eq!(store.turns.newest(query(1)).await.unwrap().len(), 1);
    assert!(store.turns.newest(query(0)).await.unwrap().is_empty());
}

pub async fn the_cost_of_a_conversation_is_known_or_absent(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let first = said(&store, &mint, None, "for a cent").await;
    said(&store, &mint, Some(first), "for another").await;
    assert_eq!(store.turns.newest(query(1)).await.unwrap()[0].cost, Some(usd(0.02)));
    let unknown = NewTurn { cost: None, ..turn(mint.mint(), Some(first), "for nobody knows what") };
    store.turns.append_turn(unknown).await.unwrap();
    assert_eq!(store.turns.newest(query(1)).await.unwrap()[0].cost, None);
}

pub async fn a_conversation_beyond_all_counting_is_listed(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let mut last = None;
    for _ in 0..3 {
        let cost = Some(Usd::from_picodollars(u64::MAX));
        let turn = NewTurn { cost, ..turn(mint.mint(), last, "a treasure") };
        last = Some(turn.id);
        assert!(store.turns.append_turn(turn).await.unwrap());
    }
    assert!(store.turns.newest(query(1)).await.unwrap()[0].cost > Some(usd(1_000_000.0)));
}

pub async fn turns_are_exported_in_pages(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let mut all = Vec::new();
    for number in 0..7 {
        all.push(said(&store, &mint, all.last().copied().filter(|_| number % 3 > 0), "a turn").await);
    }
    let (mut exported, mut after) = (Vec::new(), None);
    loop {
        let page = store.turns.turns_after(&Owner::local(), after, 3).await.unwrap();
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        exported.extend(page.into_iter().map(|turn| turn.id));
    }
    assert_eq!(exported, all);
}

pub async fn a_conversation_is_removed_with_all_that_belongs_to_it(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let all = branched(&store, &mint).await;
    let (other, attachment) = (said(&store, &mint, None, "another").await, mint.mint());
    store.turns.attach(all[0], attachment, b"a file".into()).await.unwrap();
    assert!(store.turns.remove(&Owner::local(), all[3]).await.unwrap());
    for id in all {
        assert!(store.turns.thread(&Owner::local(), id, EVER).await.unwrap().is_empty());
    }
    assert_eq!(store.turns.attachment(all[0], attachment).await.unwrap(), None);
    assert!(!store.turns.remove(&Owner::local(), all[0]).await.unwrap(), "it is gone");
    assert_eq!(store.turns.newest(query(10)).await.unwrap()[0].newest, other);
}

pub async fn conversations_expire_by_their_newest_turn(engine: &impl Engine) {
    let (store, mint, now) = (engine.open(), IdMint::default(), Utc::now());
    let long_ago = now - TimeDelta::days(40);
    // As a turn of then: ids are of the time that they were minted at.
    let aged = |at| Id { number: Id::earliest(at).number + mint.mint().number % 4096, ..mint.mint() };
    let keep = async |id, parent, at| {
        store.turns.append_turn(NewTurn { at, ..turn(id, parent, "long ago") }).await.unwrap();
    };
    let (over, revived) = (aged(long_ago), aged(long_ago + TimeDelta::hours(1)));
    keep(over, None, long_ago).await;
    keep(aged(long_ago + TimeDelta::hours(2)), Some(over), long_ago).await;
    keep(revived, None, long_ago).await;
    keep(mint.mint(), Some(revived), now).await;

    let limit = now - TimeDelta::days(30);
    assert!(store.turns.thread(&Owner::local(), over, limit).await.unwrap().is_empty(), "it is over before it is gone");
    assert_eq!(store.turns.thread(&Owner::local(), revived, limit).await.unwrap().len(), 1);
    assert_eq!(store.turns.newest(TurnQuery { since: limit, ..query(10) }).await.unwrap().len(), 1);
    assert_eq!(store.turns.expire_turns(limit).await.unwrap(), 1);
    assert_eq!(store.turns.expire_turns(limit).await.unwrap(), 0);
    assert!(store.turns.thread(&Owner::local(), over, EVER).await.unwrap().is_empty());
    assert_eq!(store.turns.conversation(&Owner::local(), revived, EVER).await.unwrap().len(), 2);
}

pub async fn an_attachment_may_come_before_its_conversation(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let (root, attachment) = (mint.mint(), mint.mint());
    for bytes in [&b"a file"[..], b"another"] {
        store.turns.attach(root, attachment, bytes.into()).await.unwrap();
    }
    // A sweep spares what a call may still be bringing.
    store.turns.expire_turns(Utc::now()).await.unwrap();
    store.turns.append_turn(turn(root, None, "here it is")).await.unwrap();
    assert_eq!(
        store.turns.attachment(root, attachment).await.unwrap().as_deref(),
        Some(&b"a file"[..]),
        "the first stays"
    );
    assert_eq!(store.turns.attachment(mint.mint(), attachment).await.unwrap(), None, "it is that conversation's");
    assert_eq!(store.turns.attachment(root, mint.mint()).await.unwrap(), None);
}

pub async fn heavy_turns_are_read_back(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let (id, attachment) = (mint.mint(), mint.mint());
    let heavy = NewTurn { body: "x".repeat(2_000_000), ..turn(id, None, &"word ".repeat(20_000)) };
    assert!(store.turns.append_turn(heavy).await.unwrap());
    store.turns.attach(id, attachment, vec![7; 8_000_000]).await.unwrap();
    assert_eq!(store.turns.thread(&Owner::local(), id, EVER).await.unwrap()[0].body.len(), 2_000_000);
    assert_eq!(store.turns.attachment(id, attachment).await.unwrap(), Some(vec![7; 8_000_000]));
}

pub async fn turns_may_say_anything(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    for said in ["", "\0 a zero \0", "'; DROP TABLE turns; --", "\u{202e}\u{feff}🦊", "{\"damaged\": ", "\r\n\t\\"] {
        let id = mint.mint();
        let owner = Owner(format!("owner {said}"));
        let new = NewTurn { owner: owner.clone(), model: said.into(), body: said.into(), ..turn(id, None, said) };
        assert!(store.turns.append_turn(new).await.unwrap(), "{said:?}");
        let kept = store.turns.thread(&owner, id, EVER).await.unwrap();
        assert_eq!(kept.iter().map(|turn| turn.body.as_str()).collect::<Vec<_>>(), [said]);
        let query = TurnQuery { owner, since: EVER, most: 10 };
        assert_eq!(store.turns.newest(query).await.unwrap()[0].model, said);
    }
}
