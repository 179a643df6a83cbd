//! Jobs that are taken over while the store is silent.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mcp_openai::{
    handle::{Id, IdMint},
    job::{Config, JobId, Jobs, Resumable, Started},
    news::News,
    store::{
        Error, JobStore,
        jobs::{AbandonedJob, JobEnd, JobHints, NewJob},
    },
};
use tokio::{sync::oneshot, time::timeout};
use tokio_util::sync::CancellationToken;

use super::*;

/// A store that lets jobs be taken over, but for one whose answer never comes, and then falls silent.
#[derive(Debug, Default)]
struct Silent {
    stuck: Option<Id>,
}

#[async_trait]
impl JobStore for Silent {
    async fn hand_out(&self, _: NewJob) -> Result<(), Error> {
        Ok(())
    }

    async fn note(&self, _: Id, _: &str, _: Option<&str>) -> Result<(), Error> {
        Ok(())
    }

    async fn finish(&self, _: FinishedJob) -> Result<JobEnd, Error> {
        Ok(JobEnd::Written)
    }

    async fn interrupt(&self, _: Id) -> Result<bool, Error> {
        Ok(false)
    }

    async fn claim(&self, id: Id) -> Result<bool, Error> {
        if self.stuck == Some(id) {
            std::future::pending::<()>().await;
        }
        Ok(true)
    }

    async fn release(&self, _: Id) -> Result<(), Error> {
        Ok(())
    }

    async fn abandoned(&self, _: &Owner, _: &str, _: Duration) -> Result<Vec<AbandonedJob>, Error> {
        Ok(Vec::new())
    }

    async fn tell(&self, _: Id) -> Result<bool, Error> {
        Ok(false)
    }

    async fn ask_cancel(&self, _: Id) -> Result<(), Error> {
        Ok(())
    }

    async fn cancels(&self) -> Result<Vec<Id>, Error> {
        std::future::pending().await
    }

    fn hints(&self) -> JobHints {
        JobHints::none()
    }

    async fn job(&self, _: &Owner, _: Id) -> Result<Option<KeptJob>, Error> {
        Ok(None)
    }

    async fn newest_jobs(&self, _: &Owner, _: usize) -> Result<Vec<KeptJob>, Error> {
        Ok(Vec::new())
    }

    async fn expire_jobs(&self, _: DateTime<Utc>) -> Result<u64, Error> {
        Ok(0)
    }
}

fn jobs_in(store: Silent) -> Jobs<String> {
    Jobs::build(Config { keep_for: Duration::from_hours(24) }, Arc::new(store), TaskTracker::new())
}

/// The rest of a call, which takes five seconds and says when it has ended.
fn rest(id: JobId) -> (Started<String>, oneshot::Receiver<()>) {
    let (end, ended) = oneshot::channel();
    let work = async move {
        sleep(Duration::from_secs(5)).await;
        end.send(()).unwrap();
        "painted".to_owned()
    };
    let started = Started {
        id,
        owner: Owner::local(),
        tool: "studio",
        since: Instant::now(),
        cancel: CancellationToken::new(),
        feed: News::without_text().1,
        resumable: Resumable::default(),
        print: None,
        work: Box::pin(work),
    };
    (started, ended)
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_over_goes_on_while_the_store_is_silent() {
    let jobs = jobs_in(Silent::default());
    let (started, ended) = rest(jobs.mint());
    jobs.take_over(started).await.unwrap();
    timeout(Duration::from_secs(10), ended).await.expect("it stands still").unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_orphan_waits_for_the_store_to_answer_for_another_one() {
    let stuck = IdMint::default().mint();
    let jobs = jobs_in(Silent { stuck: Some(stuck) });
    let (first, _) = rest(JobId::parse(&format!("job_{stuck}")).unwrap());
    let (second, ended) = rest(jobs.mint());
    let (mut first, second) = (Box::pin(jobs.take_over(first)), jobs.take_over(second));
    tokio::select! {
        biased;
        _ = &mut first => panic!("it was never answered"),
        taken = timeout(Duration::from_secs(10), second) => taken.expect("it waits").unwrap(),
    }
    ended.await.unwrap();
}
