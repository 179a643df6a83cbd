//! The queue under virtual time.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mcp_openai::{
    news::{News, Stage},
    queue::{Busy, Caller, Config, Queue, Slot, Ticket},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

fn queue(running: usize, waiting: usize) -> Queue {
    Queue::build(Config { running, waiting })
}

fn caller(name: &str) -> Caller {
    Caller::alone(name.to_owned())
}

fn enter(queue: &Queue, name: &str) -> Ticket {
    queue.enter(&caller(name)).unwrap()
}

async fn reach(ticket: Ticket) -> Slot {
    ticket.reach(&News::unheard()).await
}

#[tokio::test(start_paused = true)]
async fn c09_enter_takes_all_places_or_none() {
    let queue = queue(2, 2);
    let tickets = queue.enter_all(&caller("a"), 3).unwrap();
    assert_eq!(queue.enter_all(&caller("a"), 2).unwrap_err(), Busy { places: 2, running: 2, waiting: 1 });
    let last = enter(&queue, "b");
    assert!(queue.enter(&caller("c")).is_err());
    drop((tickets, last));
    assert_eq!(queue.enter_all(&caller("c"), 4).unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn no_places_are_always_free() {
    let queue = queue(1, 0);
    let held = enter(&queue, "a");
    assert!(queue.enter_all(&caller("a"), 0).unwrap().is_empty());
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_only_waits_leaves_its_slot_and_goes_before_who_came_later() {
    let queue = queue(1, 2);
    let rested = reach(enter(&queue, "a")).await;
    rested.leave();
    rested.leave();
    assert_eq!((rested.is_left(), queue.standing()), (true, (0, 1)), "it counts among those that wait");
    let running = reach(enter(&queue, "a")).await;
    let later = enter(&queue, "a");
    assert!(queue.enter(&caller("a")).is_err(), "no line is longer for it");
    let news = News::unheard();
    let mut back = Box::pin(rested.retake(&news));
    assert!(timeout(Duration::from_secs(1), &mut back).await.is_err(), "the slot is taken");
    drop(running);
    back.await;
    assert_eq!((rested.is_left(), queue.standing()), (false, (1, 1)));
    rested.retake(&news).await;
    drop(rested);
    drop(reach(later).await);
    assert_eq!(queue.standing(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_was_left_is_given_back_whatever_becomes_of_its_request() {
    let queue = queue(1, 9);
    let (news, second) = (News::unheard(), Duration::from_secs(1));
    let left = reach(enter(&queue, "a")).await;
    left.leave();
    drop(left);
    assert_eq!(queue.standing(), (0, 0));
    // While it waits to have it again.
    let (waits, running) = (reach(enter(&queue, "a")).await, enter(&queue, "b"));
    waits.leave();
    let running = reach(running).await;
    assert!(timeout(second, waits.retake(&news)).await.is_err());
    assert_eq!(queue.standing(), (1, 1));
    drop(waits);
    assert_eq!(queue.standing(), (1, 0));
    // And when it was granted, and not fetched yet.
    let (granted, next) = (enter(&queue, "a"), enter(&queue, "c"));
    drop(running);
    let granted = reach(granted).await;
    granted.leave();
    let next = reach(next).await;
    {
        let mut back = Box::pin(granted.retake(&news));
        assert!(timeout(second, &mut back).await.is_err());
        drop(next);
    }
    assert_eq!(queue.standing(), (1, 0));
    drop(granted);
    assert_eq!(queue.standing(), (0, 0));
}

/// The order in which tickets reach their slot, each slot held for a moment.
async fn order(queue: &Queue, names: &[&'static str]) -> Vec<String> {
    let first = reach(enter(queue, "first")).await;
    let reached = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for name in names {
        let number = seen.entry(name).or_default();
        let (ticket, label, reached) = (enter(queue, name), format!("{name}{number}"), reached.clone());
        *number += 1;
        tasks.spawn(async move {
            let slot = reach(ticket).await;
            reached.lock().unwrap().push(label);
            sleep(Duration::from_millis(1)).await;
            drop(slot);
        });
    }
    sleep(Duration::from_millis(1)).await;
    drop(first);
    tasks.join_all().await;
    let order = reached.lock().unwrap();
    order.clone()
}

#[tokio::test(start_paused = true)]
async fn c09_callers_take_turns_and_each_is_served_in_order() {
    let order = order(&queue(1, 100), &["a", "a", "a", "a", "b", "b", "c"]).await;
    assert_eq!(order, ["a0", "b0", "c0", "a1", "b1", "a2", "a3"]);
}

#[tokio::test(start_paused = true)]
async fn the_place_in_line_is_told_as_it_moves() {
    let queue = queue(1, 100);
    let first = reach(enter(&queue, "a")).await;
    let second = enter(&queue, "a");
    let third = enter(&queue, "a");
    let (news, feed) = News::channel();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { drop(third.reach(&news).await) });
    let behind = async |feed: &mcp_openai::news::Feed| {
        sleep(Duration::from_millis(1)).await;
        match feed.take().stage {
            Some(Stage::Queued { behind }) => behind,
            stage => panic!("{stage:?}"),
        }
    };
    assert_eq!(behind(&feed).await, 2);
    // A new caller is served between this caller's second and third.
    let other = enter(&queue, "b");
    let another = enter(&queue, "b");
    drop(first);
    assert_eq!(behind(&feed).await, 2, "the second has the slot, the other caller is next");
    drop(other);
    assert_eq!(behind(&feed).await, 2, "another moved up");
    drop(another);
    assert_eq!(behind(&feed).await, 1);
    drop(second);
    tasks.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn c05_a_dropped_ticket_leaves_the_line_and_a_granted_one_gives_its_slot_back() {
    let queue = queue(1, 2);
    let granted = enter(&queue, "a");
    let left = enter(&queue, "a");
    let stays = enter(&queue, "b");
    drop(left);
    drop(granted);
    let slot = reach(stays).await;
    assert_eq!(queue.enter_all(&caller("a"), 3).unwrap_err(), Busy { places: 3, running: 1, waiting: 0 });
    drop(slot);
    assert_eq!(queue.enter_all(&caller("a"), 3).unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn c05_a_ticket_dropped_while_it_waits_leaves_no_trace() {
    let queue = queue(1, 1);
    let slot = reach(enter(&queue, "a")).await;
    let waiting = tokio::time::timeout(Duration::from_secs(1), reach(enter(&queue, "a"))).await;
    assert!(waiting.is_err());
    drop(slot);
    assert_eq!(queue.enter_all(&caller("a"), 2).unwrap().len(), 2);
}

/// Whatever callers do: no more run and wait than allowed, everybody who stays is served, and in the end all is free.
#[tokio::test(start_paused = true)]
async fn c09_any_crowd_keeps_the_limits_and_is_served() {
    for seed in 0..50 {
        let mut random = StdRng::seed_from_u64(seed);
        let limits = Config { running: random.random_range(1..5), waiting: random.random_range(0..20) };
        let queue = Queue::build(limits);
        let running = Arc::new(AtomicUsize::new(0));
        let inside = Arc::new(AtomicUsize::new(0));
        let mut crowd = JoinSet::new();
        let (mut admitted, mut served) = (0, 0);
        for _ in 0..300 {
            let name = format!("caller {}", random.random_range(0..6));
            let places = random.random_range(1..4);
            sleep(Duration::from_millis(random.random_range(0..4))).await;
            let before = inside.load(Ordering::SeqCst);
            let room = limits.running + limits.waiting - before;
            match queue.enter_all(&caller(&name), places) {
                Err(busy) => {
                    assert!(places > room, "refused {places} with room for {room}");
                    assert_eq!(busy.running + busy.waiting, before);
                }
                Ok(tickets) => {
                    assert_eq!(tickets.len(), places);
                    assert!(places <= room, "took {places} with room for {room}");
                    inside.fetch_add(places, Ordering::SeqCst);
                    for ticket in tickets {
                        admitted += 1;
                        let (running, inside) = (running.clone(), inside.clone());
                        let patience = Duration::from_millis(random.random_range(0..30));
                        let stays = random.random_bool(0.7);
                        let work = Duration::from_millis(random.random_range(0..10));
                        let most = limits.running;
                        crowd.spawn(async move {
                            let slot = if stays {
                                Ok(reach(ticket).await)
                            } else {
                                tokio::time::timeout(patience, reach(ticket)).await
                            };
                            if let Ok(slot) = slot {
                                assert!(running.fetch_add(1, Ordering::SeqCst) < most);
                                sleep(work).await;
                                running.fetch_sub(1, Ordering::SeqCst);
                                drop(slot);
                            }
                            inside.fetch_sub(1, Ordering::SeqCst);
                        });
                    }
                }
            }
            while crowd.try_join_next().is_some() {
                served += 1;
            }
        }
        served += crowd.join_all().await.len();
        assert_eq!(served, admitted);
        let all = limits.running + limits.waiting;
        assert_eq!(queue.enter_all(&caller("last"), all).unwrap().len(), all);
    }
}

#[tokio::test(start_paused = true)]
async fn c09_ten_thousand_at_once() {
    let queue = queue(16, 256);
    let mut tasks = JoinSet::new();
    let (mut admitted, mut refused) = (0, 0);
    for call in 0..10_000 {
        match queue.enter(&caller(&format!("client {}", call % 100))) {
            Ok(ticket) => {
                admitted += 1;
                tasks.spawn(async move {
                    let _slot = reach(ticket).await;
                    sleep(Duration::from_millis(10)).await;
                });
            }
            Err(Busy { .. }) => refused += 1,
        }
    }
    assert_eq!((admitted, refused), (272, 9_728));
    let start = tokio::time::Instant::now();
    tasks.join_all().await;
    assert!(start.elapsed() < Duration::from_millis(10 * (272 / 16 + 2)), "{:?}", start.elapsed());
}

#[tokio::test]
async fn one_caller_among_many_gets_half_of_the_slots_and_of_the_line() {
    let queue = queue(4, 6);
    let flood = Caller::among_many("flood".into());
    let all: Vec<_> = (0..400).map(|_| queue.enter(&flood)).collect();
    let let_in = all.iter().filter(|entered| entered.is_ok()).count();
    assert_eq!(let_in, 2 + 3);
    let busy = all.last().unwrap().as_ref().unwrap_err();
    assert_eq!((busy.running, busy.waiting), (2, 3), "its own");
    let other = Caller::among_many("other".into());
    let slots = [queue.enter(&other).unwrap(), queue.enter(&other).unwrap()];
    for ticket in slots {
        drop(timeout(Duration::from_secs(1), ticket.reach(&News::unheard())).await.expect("a slot was left for it"));
    }
    // The flood gets the rest when its own slots come free.
    let mut own = all.into_iter().flatten();
    let running = [own.next().unwrap(), own.next().unwrap()];
    let [first, second] = running.map(async |ticket| ticket.reach(&News::unheard()).await);
    let (first, second) = (first.await, second.await);
    let third = own.next().unwrap();
    drop((first, second));
    timeout(Duration::from_secs(1), third.reach(&News::unheard())).await.expect("its share is free again");
}
