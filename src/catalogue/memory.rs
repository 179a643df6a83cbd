//! Knowledge of models beyond this process: facts of the store, shared with the other processes of this user. They
//! are taken over into memory before a call needs them, and written as they come.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta};
use tokio::{sync::Mutex, time::Instant};

use super::{Catalogue, Config, Lesson, Listing, Unreadable, lessons};
use crate::{
    handle::Account,
    model::ListedModel,
    store::{self, FactStore, facts::FactKind},
};

/// The shortest interval at which the learnings of other processes are read.
const FRESH: Duration = Duration::from_mins(1);

/// The memory of facts.
#[derive(Debug)]
pub(super) struct Memory {
    facts: Arc<dyn FactStore>,
    /// When they were last taken over.
    recalled: Mutex<Option<Instant>>,
}

impl Catalogue {
    /// As [`Catalogue::build`], for processes that learn together.
    ///
    /// # Errors
    /// [`Unreadable`] with file, line and column.
    pub fn sharing(config: Config, facts: Arc<dyn FactStore>) -> Result<Self, Unreadable> {
        let memory = Some(Memory { facts, recalled: Mutex::default() });
        Ok(Self { memory, ..Self::build(config)? })
    }

    /// Takes over what is kept, unless that was done within the last minute. Failures of the store are only logged:
    /// what is in memory is as good until this process ends.
    pub async fn recall(&self) {
        self.recall_within(FRESH).await;
    }

    /// The same, whenever that was last done.
    pub async fn recall_now(&self) {
        self.recall_within(Duration::ZERO).await;
    }

    async fn recall_within(&self, age: Duration) {
        let Some(memory) = &self.memory else { return };
        // Held while the store is read, so that calls which begin together read it once.
        let mut recalled = memory.recalled.lock().await;
        if recalled.is_some_and(|at| at.elapsed() < age) {
            return;
        }
        if let Err(error) = self.take_over(memory).await {
            tracing::debug!(%error, "what is known of models is not read");
        }
        // After a failure, too: a store that is away is asked once a minute, and not by every call.
        *recalled = Some(Instant::now());
    }

    async fn take_over(&self, memory: &Memory) -> Result<(), store::Error> {
        let (today, upstream) = (self.config.today.moment(), &self.config.upstream);
        // Older ones hold no more, and stay unread.
        let lessons = memory.facts.facts(FactKind::Lesson, upstream, today - lessons::HOLDS).await?;
        self.lessons.take_over(lessons.iter().filter_map(Lesson::read), self.config.today.date());
        // The store also gives what was learnt at that very moment: without a microsecond more, our list came back each
        // minute.
        let since = self.listing().map_or(DateTime::UNIX_EPOCH, |ours| ours.read_at + TimeDelta::microseconds(1));
        let listings = memory.facts.facts(FactKind::Listing, upstream, since).await?;
        if let Some(newest) = listings.iter().rev().find_map(Listing::read) {
            self.listing.take_over(newest);
        }
        Ok(())
    }

    /// Remembers what the upstream lists, here and for other processes.
    pub async fn keep_list(&self, account: Account, models: Vec<ListedModel>) {
        let listing = Listing::new(self.config.today.moment(), account, models);
        let fact = listing.fact(&self.config.upstream);
        // Here first: in this process it counts also where the store cannot be written.
        self.listing.put(listing);
        if let Some(memory) = &self.memory
            && let Err(error) = memory.facts.learn(fact).await
        {
            tracing::debug!(%error, "the upstream's list of models is not kept");
        }
    }

    /// Keeps what was learnt for other processes.
    pub async fn keep_lessons(&self, lessons: Vec<Lesson>) {
        let Some(memory) = &self.memory else { return };
        for lesson in lessons {
            if let Err(error) = memory.facts.learn(lesson.fact(&self.config.upstream)).await {
                tracing::debug!(%error, "what was learnt of models is not kept");
            }
        }
    }
}
