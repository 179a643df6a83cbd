//! Upkeep of the catalogue, in the background of calls: the upstream's list of models is read anew
//! when it is old, and what a refusal taught is remembered.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    argument::{self, WhenRefused},
    catalogue::{Catalogue, LearntApi, Resolved, Taught},
    model::ListedModel,
    openai::{self, Failure, OpenAi, Reply, Terms},
};

/// Time that the upstream may take when nobody waits for the list.
const UNHURRIED: Duration = Duration::from_secs(30);
/// Time after a failure for which nothing asks it in the background.
const PAUSE: Duration = Duration::from_hours(1);
/// Time after a failure for which whoever asks is told of that failure, and the upstream is left alone.
const REMEMBERED: Duration = Duration::from_secs(15);
/// Age up to which a list is good enough for whoever asks for it.
const FRESH: Duration = Duration::from_mins(10);

/// Cheap to clone; clones share what they know.
#[derive(Debug, Clone)]
pub struct Upkeep {
    openai: OpenAi,
    /// The catalogue that is kept up.
    pub catalogue: Arc<Catalogue>,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Held by the one that reads the list anew; before this moment nobody does.
    not_before: Arc<Mutex<Option<Instant>>>,
    /// Held while somebody waits for the list: why it could not be read, and when.
    flight: Arc<Mutex<Option<(Instant, String)>>>,
}

impl Upkeep {
    /// Starts nothing: the list is read once somebody asks.
    #[must_use]
    pub fn build(openai: OpenAi, catalogue: Arc<Catalogue>, tasks: TaskTracker, stop: CancellationToken) -> Self {
        Self { openai, catalogue, tasks, stop, not_before: Arc::default(), flight: Arc::default() }
    }

    /// Notes of today about a model that has answered: its retirement, and a price that is old. Has an old list
    /// read anew.
    #[must_use]
    pub fn answered(&self, model: &Resolved) -> Vec<String> {
        self.renew();
        self.catalogue.once_a_day(model)
    }

    /// Remembers what a call taught: arguments that the upstream refused, each with the word that was `given` for it or
    /// beside it, fields that no argument stands for, and the only API by which the model answers.
    pub fn learn<'a>(
        &self,
        model: &Resolved,
        left_out: &[String],
        fields: &[String],
        given: impl Fn(&str) -> Option<&'a str>,
        only_by: Option<openai::Api>,
    ) {
        let refused = left_out
            .iter()
            .filter(|name| argument::named(name).is_some_and(|argument| argument.refused == WhenRefused::Learnt))
            .map(|argument| Taught::Refuses { refuses: argument.clone(), with: given(argument).map(str::to_owned) });
        let only_by = match only_by {
            Some(openai::Api::Responses) => Some(LearntApi::Responses),
            Some(openai::Api::Chat) => Some(LearntApi::Chat),
            Some(openai::Api::Auto) | None => None,
        };
        let fields = fields.iter().map(|field| Taught::Refuses { refuses: field.clone(), with: None });
        let taught = refused.chain(fields).chain(only_by.map(|only_by| Taught::OnlyBy { only_by }));
        let new: Vec<_> = taught.filter_map(|taught| self.catalogue.learn(&model.id, taught)).collect();
        // A task of its own: the answer does not wait for the store.
        if !new.is_empty() {
            let catalogue = self.catalogue.clone();
            self.tasks.spawn(async move { catalogue.keep_lessons(new).await });
        }
    }

    /// Sees to it that the upstream's list is young enough for somebody who asks for it.
    ///
    /// However many ask, one of them asks the upstream, and the others hear what it was told.
    ///
    /// # Errors
    /// When it is not and the upstream cannot be asked within `patience`, or could not just now: why.
    pub async fn refresh(&self, patience: Duration) -> Result<(), String> {
        // Held while the upstream is asked: the others wait here, and find the list, or the reason why there is none.
        let mut failed = self.flight.lock().await;
        self.catalogue.recall().await;
        let account = self.openai.account().await.map_err(|failure| failure.to_string())?;
        if self.catalogue.has_list_of(&account, FRESH) {
            return Ok(());
        }
        if let Some((at, why)) = &*failed
            && at.elapsed() < REMEMBERED
        {
            return Err(why.clone());
        }
        let read = match timeout(patience, Box::pin(self.read(UNHURRIED))).await {
            Ok(read) => read.map(drop).map_err(|failure| failure.to_string()),
            Err(_) => Err("the upstream does not answer in time".to_owned()),
        };
        *failed = read.as_ref().err().map(|why| (Instant::now(), why.clone()));
        read
    }

    /// The terms of a question that nobody hears of.
    #[must_use]
    pub fn terms(patience: Duration) -> Terms {
        Terms::until(Instant::now() + patience)
    }

    /// Asks the upstream for its list and remembers it.
    ///
    /// # Errors
    /// When it cannot be asked within `patience`.
    pub async fn read(&self, patience: Duration) -> Result<Reply<Vec<ListedModel>>, Failure> {
        let reply = self.openai.models(&Self::terms(patience)).await?;
        let account = self.openai.account().await?;
        self.catalogue.keep_list(account, reply.value.clone()).await;
        Ok(reply)
    }

    /// Has the list read anew if it is due, nobody does it already, and it did not fail just now.
    fn renew(&self) {
        if !self.catalogue.list_is_due() {
            return;
        }
        // The lock goes into the task: as long as it reads, nobody else begins.
        let Ok(mut not_before) = self.not_before.clone().try_lock_owned() else { return };
        if not_before.is_some_and(|moment| Instant::now() < moment) {
            return;
        }
        let this = self.clone();
        self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(async move {
            // Another process may have read it meanwhile.
            this.catalogue.recall_now().await;
            if !this.catalogue.list_is_due() {
                return;
            }
            if let Err(failure) = this.read(UNHURRIED).await {
                tracing::debug!(%failure, "the upstream's list of models could not be read");
                *not_before = Some(Instant::now() + PAUSE);
            }
        }));
    }
}

/// The API by which a model is known to answer, as the client takes it.
#[must_use]
pub fn only_by(model: &Resolved) -> Option<openai::Api> {
    model.only_by().map(|api| match api {
        LearntApi::Responses => openai::Api::Responses,
        LearntApi::Chat => openai::Api::Chat,
    })
}

/// The fields that the upstream refused of a model lately, and that no argument stands for.
#[must_use]
pub fn refused_fields(model: &Resolved) -> Vec<String> {
    let refused = argument::FIELDS.into_iter().filter(|field| model.refuses(field.name, None).is_some());
    refused.map(|field| field.name.to_owned()).collect()
}
