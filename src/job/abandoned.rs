//! Jobs whose clients gave up on them, to be given to whoever makes the same call again, in this process or another.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{CallPrint, Job, JobId, JobPhase, Jobs, Lasting, live::Live};
use crate::{handle::Owner, store::jobs::AbandonedJob};

/// Time after which a result is no longer given to the same call: whoever still wanted it has asked again by then.
const REMEMBERED: Duration = Duration::from_mins(10);
/// Longest wait of a call for the store's answer: a store that is slow or away costs it no more.
const LONGEST_LOOK: Duration = Duration::from_millis(500);

/// A job whose client gave up on it, and whose result nobody has been given since.
#[derive(Debug, Clone, Copy)]
pub struct Abandoned {
    /// Collects the result.
    pub id: JobId,
    /// Fingerprint of the call.
    pub print: CallPrint,
    /// Time since its client gave up.
    pub ago: Duration,
}

impl<T: Lasting> Jobs<T> {
    /// The owner's calls of this tool that their clients gave up on within ten minutes, newest first; those of this
    /// process alone where the store does not tell.
    pub async fn abandoned(&self, owner: &Owner, tool: &str) -> Vec<Abandoned> {
        let here = |live: &Arc<Live<T>>| {
            let (print, ago) = live.abandoned(tool).filter(|_| live.owner == *owner)?;
            Some(Abandoned { id: live.id, print, ago })
        };
        let here: Vec<_> = self.memory().live.values().filter_map(here).collect();
        // This process knows its own better than the store, which hears of them a moment later.
        let known: HashSet<_> = here.iter().map(|job| job.id).collect();
        let kept = timeout(LONGEST_LOOK, self.0.store.abandoned(owner, tool, REMEMBERED)).await;
        let kept = kept.unwrap_or(Ok(Vec::new())).inspect_err(|error| {
            tracing::debug!(%error, "the store cannot tell which calls were given up");
        });
        let kept = kept.unwrap_or_default().into_iter().map(Abandoned::from).filter(|job| !known.contains(&job.id));
        let mut jobs: Vec<_> = here.into_iter().chain(kept).filter(|job| job.ago < REMEMBERED).collect();
        jobs.sort_by_key(|job| job.ago);
        jobs
    }

    /// Notes that an abandoned job's result is given to somebody: from now on the same call is a new one. Of all who
    /// try, exactly one gets `true`.
    pub async fn tell(&self, owner: &Owner, id: &JobId) -> bool {
        if self.live(owner, id).is_some_and(|live| live.tell()) {
            return true;
        }
        let told = self.0.store.tell(id.0).await;
        told.inspect_err(|error| tracing::debug!(%id, %error, "the same call may be given this result again"))
            .unwrap_or_default()
    }

    /// The same for a job that may have been given up, once somebody is given its end.
    pub async fn tell_ended(&self, owner: &Owner, id: &JobId, job: &Job<T>) {
        if job.is_abandoned && !matches!(job.state, JobPhase::Running { .. }) {
            self.tell(owner, id).await;
        }
    }
}

impl From<AbandonedJob> for Abandoned {
    fn from(AbandonedJob { id, print, ago }: AbandonedJob) -> Self {
        Self { id: JobId(id), print, ago }
    }
}
