//! Several processes on one store: races, leases, take-over. A store that goes while something of it runs is a killed
//! process to the others.

use chrono::Utc;
use futures_util::future::join_all;
use mcp_openai::{
    handle::{IdMint, Owner},
    money::Usd,
    store::{
        jobs::{JobEnd, JobState},
        money::{BudgetOf, DayStanding, LineState, Reserved, TallyBy},
    },
};

use super::{
    EVER, Engine, SHORT_LEASE, jobs,
    money::{of_caller, share},
    pace, paid, reservation, said, standing, stands, turn, until, usd,
};

pub async fn branches_of_three_processes_are_all_kept(engine: &impl Engine) {
    let (stores, mint) = ([(); 3].map(|()| engine.open()), IdMint::default());
    let first = said(&stores[0], &mint, None, "the first").await;
    let branches =
        (0..50).map(|at: usize| stores[at % 3].turns.append_turn(turn(mint.mint(), Some(first), "a branch")));
    assert!(join_all(branches).await.into_iter().all(|kept| kept.unwrap()));
    for store in &stores {
        assert_eq!(store.turns.conversation(&Owner::local(), first, EVER).await.unwrap().len(), 51);
    }
}

pub async fn a_budget_holds_for_three_processes_together(engine: &impl Engine) {
    let (stores, mint) = ([(); 3].map(|()| engine.open()), IdMint::default());
    let all = (0..100).map(|at: usize| stores[at % 3].money.reserve(reservation(mint.mint(), 0.1, Some(5.0))));
    let all = join_all(all).await;
    let granted = all.into_iter().filter(|reserved| matches!(reserved, Ok(Reserved::Granted(_)))).count();
    assert_eq!(granted, 50);
}

pub async fn a_callers_budget_holds_for_three_processes_and_survives_a_dead_one(engine: &impl Engine) {
    let (stores, mint) = ([(); 3].map(|()| engine.open()), IdMint::default());
    let alice = share("alice", Some(4.0), Some(5.0));
    let request = || of_caller(reservation(mint.mint(), 0.1, None), &alice);
    let all = join_all((0..100).map(|at: usize| stores[at % 3].money.reserve(request()))).await;
    let granted = all.into_iter().filter(|reserved| matches!(reserved, Ok(Reserved::Granted(_)))).count();
    assert_eq!(granted, 40);
    // Money that the dead had set aside stays spent.
    drop(stores);
    let heir = engine.open();
    until(usd(4.0), async || {
        let tally = heir.money.tally(Utc::now().date_naive(), TallyBy::Caller, Some(&alice.name)).await.unwrap();
        tally.first().map_or(Usd::ZERO, |sum| sum.estimated)
    })
    .await;
    assert!(matches!(heir.money.reserve(request()).await.unwrap(), Reserved::Refused { .. }));
}

pub async fn money_of_a_dead_process_is_spent_for_whoever_reserves_next(engine: &impl Engine) {
    let (dead, alive, mint) = (engine.open(), engine.open(), IdMint::default());
    dead.money.reserve(reservation(mint.mint(), 1.0, Some(1.0))).await.unwrap();
    drop(dead);
    let standing = DayStanding { spent: usd(1.0), reserved: Usd::ZERO };
    until(Reserved::Refused { of: BudgetOf::AccountDay, limit: usd(1.0), standing }, async || {
        alive.money.reserve(reservation(mint.mint(), 0.1, Some(1.0))).await.unwrap()
    })
    .await;
}

pub async fn a_cap_holds_for_three_processes_together(engine: &impl Engine) {
    let (stores, account) = ([(); 3].map(|()| engine.open()), super::account());
    let all =
        (0..20).map(|at: usize| stores[at % 3].pace.pass(&account, pace::place(std::time::Duration::from_hours(1))));
    let all = join_all(all).await;
    pace::assert_spaced(all.into_iter().map(|grant| pace::wait(grant.unwrap())).collect());
}

pub async fn a_lease_lasts_as_long_as_its_process_runs_something(engine: &impl Engine) {
    let (runs, looks, mint) = (engine.open(), engine.open(), IdMint::default());
    let (job, request) = (mint.mint(), reservation(mint.mint(), 0.1, Some(5.0)));
    runs.jobs.hand_out(jobs::job(job, None)).await.unwrap();
    runs.money.reserve(request.clone()).await.unwrap();
    // Longer than a lease: what is seen all along is that it is renewed.
    let since = std::time::Instant::now();
    while since.elapsed() < SHORT_LEASE * 4 {
        assert!(matches!(jobs::state(&looks, job).await, Some(JobState::Running { .. })));
        assert!(!looks.jobs.claim(job).await.unwrap() && !looks.jobs.interrupt(job).await.unwrap());
        assert_eq!(standing(&looks).await.reserved, usd(0.1));
        tokio::time::sleep(SHORT_LEASE / 10).await;
    }
    runs.money.settle(paid(&request, 0.01)).await.unwrap();
}

pub async fn an_orphaned_job_is_claimed_by_exactly_one(engine: &impl Engine) {
    let (dead, stores, mint) = (engine.open(), [(); 3].map(|()| engine.open()), IdMint::default());
    let job = mint.mint();
    dead.jobs.hand_out(jobs::job(job, Some("how to go on"))).await.unwrap();
    drop(dead);
    let resume = Some("how to go on".to_owned());
    until(Some(JobState::Orphaned { stage: "thinking".into(), resume }), async || jobs::state(&stores[0], job).await)
        .await;
    let claims = join_all((0..30).map(|at: usize| stores[at % 3].jobs.claim(job))).await;
    assert_eq!(claims.into_iter().filter(|claimed| *claimed.as_ref().unwrap()).count(), 1);
    assert!(matches!(jobs::state(&stores[1], job).await, Some(JobState::Running { .. })));
}

pub async fn an_orphaned_job_is_interrupted_once_and_its_late_result_counts(engine: &impl Engine) {
    let (dead, stores, mint) = (engine.open(), [(); 3].map(|()| engine.open()), IdMint::default());
    let job = mint.mint();
    dead.jobs.hand_out(jobs::job(job, None)).await.unwrap();
    drop(dead);
    let orphaned = Some(JobState::Orphaned { stage: "thinking".into(), resume: None });
    until(orphaned, async || jobs::state(&stores[0], job).await).await;
    let all = join_all((0..30).map(|at: usize| stores[at % 3].jobs.interrupt(job))).await;
    assert_eq!(all.into_iter().filter(|done| *done.as_ref().unwrap()).count(), 1);
    assert_eq!(jobs::state(&stores[1], job).await, Some(JobState::Interrupted));
    assert!(!stores[2].jobs.claim(job).await.unwrap());
    // Its process only slept.
    assert_eq!(stores[2].jobs.finish(jobs::result(job, "here it is")).await.unwrap(), JobEnd::Written);
    assert_eq!(jobs::state(&stores[1], job).await, Some(jobs::finished("here it is")));
}

pub async fn a_job_is_cancelled_from_another_process(engine: &impl Engine) {
    let (runs, asks, mint) = (engine.open(), engine.open(), IdMint::default());
    let job = mint.mint();
    runs.jobs.hand_out(jobs::job(job, None)).await.unwrap();
    asks.jobs.ask_cancel(job).await.unwrap();
    assert_eq!(runs.jobs.cancels().await.unwrap(), [job]);
    assert!(asks.jobs.cancels().await.unwrap().is_empty(), "it is none of its own");
}

pub async fn a_dead_process_s_request_is_unsettled_until_it_is_taken_over(engine: &impl Engine) {
    let (dead, alive, mint) = (engine.open(), engine.open(), IdMint::default());
    let request = reservation(mint.mint(), 0.1, None);
    dead.money.begin(request.clone());
    stands(&alive, 0.0, 0.1).await;
    drop(dead);
    stands(&alive, 0.1, 0.0).await;
    let tally = alive.money.tally(Utc::now().date_naive(), TallyBy::Model, None).await.unwrap();
    assert_eq!((tally[0].unsettled, tally[0].estimated), (1, request.most));
    let line = alive.money.lines_after(None, 10).await.unwrap().remove(0);
    assert_eq!((line.state, line.outcome), (LineState::Unsettled, None));
    alive.money.take_over(request.clone());
    stands(&alive, 0.0, 0.1).await;
    alive.money.settle(paid(&request, 0.03)).await.unwrap();
    stands(&alive, 0.03, 0.0).await;
    assert_eq!(alive.money.lines_after(None, 10).await.unwrap().len(), 1);
}

pub async fn what_one_process_keeps_another_sees_at_once(engine: &impl Engine) {
    let (one, other, mint) = (engine.open(), engine.open(), IdMint::default());
    for _ in 0..50 {
        let id = said(&one, &mint, None, "a turn").await;
        assert_eq!(other.turns.thread(&Owner::local(), id, EVER).await.unwrap().len(), 1);
        let next = said(&other, &mint, Some(id), "another").await;
        assert_eq!(one.turns.thread(&Owner::local(), next, EVER).await.unwrap().len(), 2);
    }
}

pub async fn whoever_goes_in_order_leaves_nothing_behind(engine: &impl Engine) {
    let (goes, stays, mint) = (engine.open(), engine.open(), IdMint::default());
    let request = reservation(mint.mint(), 0.1, Some(5.0));
    goes.money.reserve(request.clone()).await.unwrap();
    // Said by somebody who did not wait for it.
    goes.money.settle_later(paid(&request, 0.02));
    drop(goes);
    stands(&stays, 0.02, 0.0).await;
    assert_eq!(standing(&stays).await.reserved, Usd::ZERO);
    assert_eq!(stays.money.lines_after(None, 10).await.unwrap()[0].state, LineState::Settled);
}
