//! The suite that every engine of the store must pass, on disk and in memory.

use std::{path::Path, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use mcp_openai::{
    handle::{Account, Id, IdMint, Owner},
    money::Usd,
    store::{
        Config, Store, StorePlace,
        money::{Charge, DayStanding, Reservation, Reserved, Settlement, TallyBy},
        turns::{NewTurn, TurnQuery},
    },
};
use tempfile::TempDir;

/// A store on disk as one more process would open it.
fn on_disk(dir: &Path) -> Store {
    Store::build(Config { place: StorePlace::Folder(dir.join("state")), lease: Duration::from_millis(300) })
}

fn turn(id: Id, parent: Option<Id>, words: &str) -> NewTurn {
    NewTurn {
        id,
        parent,
        owner: Owner::local(),
        at: Utc::now(),
        tool: "ask-openai".into(),
        model: "m".into(),
        cost: Usd::from_dollars(0.01),
        words: words.into(),
        body: "{}".into(),
    }
}

fn reservation(id: Id, dollars: f64, per_day: Option<f64>) -> Reservation {
    let amount = Usd::from_dollars(dollars).unwrap();
    Reservation {
        id,
        at: Utc::now(),
        account: Account("a".into()),
        tool: "ask-openai".into(),
        model: "m".into(),
        client: "test".into(),
        least: amount,
        most: amount,
        per_day: per_day.and_then(Usd::from_dollars),
    }
}

#[tokio::test]
async fn fifty_branches_of_one_turn_are_all_kept() {
    let dir = TempDir::new().unwrap();
    let (store, mint) = (on_disk(dir.path()), Arc::new(IdMint::default()));
    let first = mint.mint();
    assert!(store.turns.append_turn(turn(first, None, "the first")).await.unwrap());
    let branches = (0..50).map(|_| store.turns.append_turn(turn(mint.mint(), Some(first), "a branch")));
    assert!(futures_util::future::join_all(branches).await.into_iter().all(|kept| kept.unwrap()));
    let all = store.turns.conversation(&Owner::local(), first, DateTime::UNIX_EPOCH).await.unwrap();
    assert_eq!(all.len(), 51);
    assert!(all.iter().all(|turn| turn.root == first));
    let other = Owner("somebody".into());
    assert!(store.turns.thread(&other, first, DateTime::UNIX_EPOCH).await.unwrap().is_empty());
}

#[tokio::test]
async fn of_a_hundred_reservations_under_a_budget_exactly_fifty_are_granted() {
    let dir = TempDir::new().unwrap();
    let stores = [0, 1, 2].map(|_| on_disk(dir.path()));
    let mint = IdMint::default();
    let all = (0..100).map(|at: usize| stores[at % 3].money.reserve(reservation(mint.mint(), 0.1, Some(5.0))));
    let granted = futures_util::future::join_all(all).await;
    let granted = granted.into_iter().filter(|reserved| matches!(reserved, Ok(Reserved::Granted(_)))).count();
    assert_eq!(granted, 50);
}

#[tokio::test]
async fn a_request_that_is_settled_twice_counts_once() {
    let dir = TempDir::new().unwrap();
    let (store, mint) = (on_disk(dir.path()), IdMint::default());
    let reservation = reservation(mint.mint(), 0.1, Some(5.0));
    store.money.reserve(reservation.clone()).await.unwrap();
    for cost in [0.03, 0.04] {
        let charge = Charge::Due { usage: None, cost: Usd::from_dollars(cost), request_id: None };
        let amount = reservation.most;
        let settlement = Settlement { reservation: reservation.clone(), amount, charge, turn: None, job: None };
        store.money.settle(settlement).await.unwrap();
    }
    let standing = store.money.standing(&reservation.account, Utc::now().date_naive()).await.unwrap();
    assert_eq!((standing.spent, standing.reserved), (Usd::from_dollars(0.04).unwrap(), Usd::ZERO));
}

#[tokio::test]
async fn heavy_turns_are_kept_and_read_back() {
    let dir = TempDir::new().unwrap();
    let memory = Store::build(Config { place: StorePlace::Memory, lease: mcp_openai::store::LEASE });
    let mint = IdMint::default();
    for store in [on_disk(dir.path()), memory] {
        let id = mint.mint();
        let heavy = NewTurn { body: "x".repeat(1_000_000), ..turn(id, None, "words to find") };
        assert!(store.turns.append_turn(heavy).await.unwrap());
        let kept = store.turns.thread(&Owner::local(), id, DateTime::UNIX_EPOCH).await.unwrap();
        assert_eq!(kept[0].body.len(), 1_000_000);
        let query = TurnQuery { owner: Owner::local(), since: DateTime::UNIX_EPOCH, most: 10 };
        assert_eq!(store.turns.search(query.clone(), "find words").await.unwrap().len(), 1);
        assert_eq!(store.turns.search(query, "\"never NEAR said*").await.unwrap(), []);
    }
}

/// Waits for the standing of the account of [`reservation`] to be this.
async fn stands(store: &Store, spent: f64, reserved: f64) {
    let expected =
        DayStanding { spent: Usd::from_dollars(spent).unwrap(), reserved: Usd::from_dollars(reserved).unwrap() };
    let mut found = DayStanding::default();
    for _ in 0..500 {
        found = store.money.standing(&Account("a".into()), Utc::now().date_naive()).await.unwrap();
        if found == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{found:?} instead of {expected:?}");
}

fn paid(reservation: &Reservation, dollars: f64) -> Settlement {
    let charge = Charge::Due { usage: None, cost: Usd::from_dollars(dollars), request_id: None };
    let (reservation, amount) = (reservation.clone(), reservation.most);
    Settlement { reservation, amount, charge, turn: None, job: None }
}

#[tokio::test]
async fn a_dead_process_s_request_is_unsettled_until_it_is_taken_over() {
    let dir = TempDir::new().unwrap();
    let (dead, alive, mint) = (on_disk(dir.path()), on_disk(dir.path()), IdMint::default());
    let request = reservation(mint.mint(), 0.1, None);
    dead.money.begin(request.clone());
    stands(&alive, 0.0, 0.1).await;
    // A store that goes while something of it runs is a killed process to the others.
    drop(dead);
    stands(&alive, 0.1, 0.0).await;
    let tally = alive.money.tally(Utc::now().date_naive(), TallyBy::Model).await.unwrap();
    assert_eq!((tally[0].unsettled, tally[0].estimated), (1, request.most));
    alive.money.take_over(request.clone());
    stands(&alive, 0.0, 0.1).await;
    alive.money.settle(paid(&request, 0.03)).await.unwrap();
    stands(&alive, 0.03, 0.0).await;
    assert_eq!(alive.money.lines_after(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_settled_before_it_was_written_counts_once_and_its_parts_apart() {
    let dir = TempDir::new().unwrap();
    let (store, mint) = (on_disk(dir.path()), IdMint::default());
    let short = reservation(mint.mint(), 0.1, None);
    store.money.begin(short.clone());
    store.money.settle(paid(&short, 0.02)).await.unwrap();
    let pictures = reservation(mint.mint(), 0.4, None);
    let parts = [pictures.id, mint.mint(), mint.mint(), mint.mint()];
    store.money.begin(pictures.clone());
    store.money.split(pictures.id, &parts).await.unwrap();
    stands(&store, 0.02, 0.4).await;
    for id in parts {
        store.money.settle(paid(&Reservation { id, ..pictures.clone() }, 0.05)).await.unwrap();
    }
    stands(&store, 0.22, 0.0).await;
}
