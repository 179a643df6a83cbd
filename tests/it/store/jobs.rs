//! Jobs: handed out once, ended once, run by one.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use futures_util::future::join_all;
use mcp_openai::{
    handle::{Id, IdMint, Owner},
    store::{
        Store,
        jobs::{CallPrint, FinishedJob, JobEnd, JobState, NewJob},
    },
};

use super::Engine;

pub fn job(id: Id, resume: Option<&str>) -> NewJob {
    NewJob {
        id,
        owner: Owner::local(),
        tool: "ask-openai".into(),
        started_at: Utc::now(),
        stage: "thinking".into(),
        resume: resume.map(str::to_owned),
        print: None,
    }
}

pub fn result(id: Id, result: &str) -> FinishedJob {
    FinishedJob { id, result: result.into() }
}

pub async fn state(store: &Store, id: Id) -> Option<JobState> {
    store.jobs.job(&Owner::local(), id).await.unwrap().map(|job| job.state)
}

pub fn finished(result: &str) -> JobState {
    JobState::Finished { result: result.into() }
}

pub async fn a_job_is_handed_out_once_and_its_first_result_stays(engine: &impl Engine) {
    let (store, id) = (engine.open(), IdMint::default().mint());
    assert_eq!(store.jobs.finish(result(id, "before it began")).await.unwrap(), JobEnd::Missing);
    for stage in ["thinking", "told twice"] {
        store.jobs.hand_out(NewJob { stage: stage.into(), ..job(id, None) }).await.unwrap();
    }
    assert_eq!(state(&store, id).await, Some(JobState::Running { stage: "thinking".into() }));
    let ended_at = async || store.jobs.job(&Owner::local(), id).await.unwrap().unwrap().ended_at;
    assert_eq!(ended_at().await, None);
    let all = ["one", "two", "three"].map(|told| store.jobs.finish(result(id, told)));
    let kept: Vec<bool> = join_all(all).await.into_iter().map(|end| end.unwrap() == JobEnd::Written).collect();
    // At once, no one is sure to be first.
    assert_eq!(kept.iter().filter(|kept| **kept).count(), 1, "{kept:?}");
    let first = ["one", "two", "three"][kept.iter().position(|kept| *kept).unwrap()];
    assert_eq!(state(&store, id).await, Some(finished(first)));
    let first_end = ended_at().await;
    assert_eq!(store.jobs.finish(result(id, "late")).await.unwrap(), JobEnd::Late);
    assert!(first_end.is_some() && ended_at().await == first_end);
    assert_eq!(state(&store, id).await, Some(finished(first)));
    assert!(!store.jobs.interrupt(id).await.unwrap() && !store.jobs.claim(id).await.unwrap());
}

pub async fn jobs_are_their_owners_alone(engine: &impl Engine) {
    let (store, id) = (engine.open(), IdMint::default().mint());
    store.jobs.hand_out(job(id, None)).await.unwrap();
    let stranger = Owner("somebody".into());
    assert_eq!(store.jobs.job(&stranger, id).await.unwrap(), None);
    assert!(store.jobs.newest_jobs(&stranger, 10).await.unwrap().is_empty());
    let guessed = Id { secret: id.secret ^ 1, ..id };
    assert_eq!(state(&store, guessed).await, None);
    assert_eq!(store.jobs.finish(result(guessed, "forged")).await.unwrap(), JobEnd::Missing);
    store.jobs.ask_cancel(guessed).await.unwrap();
    assert!(store.jobs.cancels().await.unwrap().is_empty());
}

pub async fn the_newest_jobs_come_first_without_their_results(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let all = [mint.mint(), mint.mint(), mint.mint()];
    for id in all {
        store.jobs.hand_out(job(id, None)).await.unwrap();
    }
    store.jobs.finish(result(all[2], "a long result")).await.unwrap();
    let newest = store.jobs.newest_jobs(&Owner::local(), 2).await.unwrap();
    assert_eq!(newest.iter().map(|job| job.id).collect::<Vec<_>>(), [all[2], all[1]]);
    assert_eq!(newest[0].state, JobState::Finished { result: String::new() });
}

pub async fn a_job_is_noted_until_it_ends(engine: &impl Engine) {
    let (store, id) = (engine.open(), IdMint::default().mint());
    store.jobs.hand_out(job(id, None)).await.unwrap();
    store.jobs.note(id, "writing", Some("{}")).await.unwrap();
    assert_eq!(state(&store, id).await, Some(JobState::Running { stage: "writing".into() }));
    store.jobs.finish(result(id, "done")).await.unwrap();
    store.jobs.note(id, "too late", None).await.unwrap();
    assert_eq!(state(&store, id).await, Some(finished("done")));
}

pub async fn whoever_runs_a_job_hears_that_it_shall_be_cancelled(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let all = [mint.mint(), mint.mint()];
    for id in all {
        store.jobs.hand_out(job(id, None)).await.unwrap();
    }
    assert!(store.jobs.cancels().await.unwrap().is_empty());
    store.jobs.ask_cancel(all[1]).await.unwrap();
    assert_eq!(store.jobs.cancels().await.unwrap(), [all[1]]);
    store.jobs.finish(result(all[1], "cancelled")).await.unwrap();
    assert!(store.jobs.cancels().await.unwrap().is_empty());
    store.jobs.ask_cancel(all[1]).await.unwrap();
    assert!(store.jobs.cancels().await.unwrap().is_empty(), "it has ended");
}

pub async fn jobs_that_ended_expire_and_those_that_run_stay(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let (ended, runs) = (mint.mint(), mint.mint());
    for id in [ended, runs] {
        store.jobs.hand_out(job(id, None)).await.unwrap();
    }
    store.jobs.finish(result(ended, "done")).await.unwrap();
    assert_eq!(store.jobs.expire_jobs(Utc::now() - TimeDelta::days(7)).await.unwrap(), 0);
    assert_eq!(store.jobs.expire_jobs(Utc::now() + TimeDelta::seconds(1)).await.unwrap(), 1);
    assert_eq!((state(&store, ended).await, state(&store, runs).await.is_some()), (None, true));
}

pub async fn a_released_job_is_claimed_by_exactly_one(engine: &impl Engine) {
    let (store, id) = (engine.open(), IdMint::default().mint());
    store.jobs.hand_out(job(id, Some("how to go on"))).await.unwrap();
    assert!(!store.jobs.claim(id).await.unwrap(), "somebody runs it");
    store.jobs.release(id).await.unwrap();
    let resume = Some("how to go on".to_owned());
    assert_eq!(state(&store, id).await, Some(JobState::Orphaned { stage: "thinking".into(), resume }));
    let claims = join_all((0..20).map(|_| store.jobs.claim(id))).await;
    assert_eq!(claims.into_iter().filter(|claimed| *claimed.as_ref().unwrap()).count(), 1);
    assert_eq!(state(&store, id).await, Some(JobState::Running { stage: "thinking".into() }));
}

pub async fn a_call_that_was_given_up_is_known_until_one_is_told_its_result(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let within = Duration::from_mins(10);
    let given_up = |print: u8| NewJob { print: Some(CallPrint([print; 32])), ..job(mint.mint(), None) };
    let (first, second, handed_out) = (given_up(1), given_up(2), job(mint.mint(), None));
    for job in [first.clone(), second.clone(), handed_out.clone()] {
        store.jobs.hand_out(job).await.unwrap();
    }
    let abandoned = |owner: Owner, tool: &'static str, within| {
        let store = store.clone();
        async move { store.jobs.abandoned(&owner, tool, within).await.unwrap() }
    };
    let known = abandoned(Owner::local(), "ask-openai", within).await;
    assert_eq!(known.iter().map(|job| job.id).collect::<Vec<_>>(), [second.id, first.id], "newest first");
    assert!(known[1].print == CallPrint([1; 32]) && known[1].ago < within, "{known:?}");
    let ages = known.iter().map(|job| job.ago);
    assert!(ages.is_sorted(), "{known:?}");
    assert!(abandoned(Owner("somebody".into()), "ask-openai", within).await.is_empty());
    assert!(abandoned(Owner::local(), "create-image", within).await.is_empty());
    assert!(abandoned(Owner::local(), "ask-openai", Duration::ZERO).await.is_empty(), "too long ago");

    // Its end changes nothing: what counts is whether somebody was told.
    store.jobs.finish(result(first.id, "done")).await.unwrap();
    assert_eq!(abandoned(Owner::local(), "ask-openai", within).await.len(), 2);
    assert!(store.jobs.job(&Owner::local(), first.id).await.unwrap().unwrap().is_abandoned);
    let told = join_all((0..20).map(|_| store.jobs.tell(first.id))).await;
    assert_eq!(told.into_iter().filter(|told| *told.as_ref().unwrap()).count(), 1);
    assert!(!store.jobs.tell(handed_out.id).await.unwrap(), "its client waited");
    assert!(!store.jobs.job(&Owner::local(), first.id).await.unwrap().unwrap().is_abandoned);
    assert_eq!(abandoned(Owner::local(), "ask-openai", within).await[0].id, second.id);
    assert_eq!(state(&store, first.id).await, Some(finished("done")), "it can still be collected");
}
