//! One request to the upstream, from the rate limit to the head of its answer, with the only retry loop of the program.
//! Once an answer has begun (a 2xx head), nothing is sent again: the callers read it, and pay for it, once.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use secrecy::ExposeSecret;
use tokio::{
    sync::{OnceCell, Semaphore},
    time::{Instant, sleep, timeout_at},
};
use tokio_util::task::TaskTracker;
use url::Url;

use super::{
    ApiKeySource, Config, Deadline, Failure, Reply, Terms,
    failure::{
        error::{Billing, Error},
        left_out::OmittedPart,
        traits::Health,
    },
    key::{self, CachedKey, secrets::SecretForms},
    kind::EndpointKind,
    learnt::UpstreamFacts,
    limits::{
        breaker::Breakers,
        governor::Governor,
        retry::{self, Bucket, Symptom},
    },
    trail::AttemptTrail,
    transport::{
        body::{self, Body},
        connection::Connection,
        payload::Payload,
    },
};
use crate::{model::ModelId, news::Stage, store::PaceStore, text};

mod attempt;
mod span;
mod unanswered;

use attempt::{Attempt, Remedy};
pub(super) use unanswered::Unanswered;

/// Large bodies, and the pictures made of them, that stand in memory at once: one arrives while one is looked after.
const PLACES: usize = 2;

/// Bytes of a failing answer that are read for its error, of which 600 characters at most are shown.
const LONGEST_COMPLAINT: usize = 64 * 1024;

/// One upstream and everything learnt about it.
pub(super) struct Client {
    pub(super) config: Config,
    pub(super) connection: OnceCell<Connection>,
    pub(super) key: key::Reader,
    pub(super) governor: Governor,
    pub(super) bucket: Bucket,
    breakers: Breakers,
    places: Arc<Semaphore>,
    pub(super) learnt: UpstreamFacts,
    /// Those with a key of their own, by their callers: they share nothing but the places in memory, and whoever waits
    /// for their tasks.
    // Of std, since it is never held over an `await`.
    callers: RwLock<BTreeMap<String, Arc<Client>>>,
    /// The pace that it shares, and those of callers, too.
    shared: Option<Arc<dyn PaceStore>>,
    /// Tasks that stop unwanted work upstream, those of callers included, also of ones whose key was changed since.
    pub(super) stopping: TaskTracker,
}

/// One request, before its attempts.
pub(super) struct PlannedRequest<'a> {
    pub kind: EndpointKind,
    /// Behind the base URL; a query of its own may follow after `?`.
    pub path: &'a str,
    /// `None` for what concerns no model.
    pub model: Option<&'a ModelId>,
    pub payload: Payload,
}

/// An answer that has begun.
pub(super) struct Answering {
    pub body: Body,
    pub trail: AttemptTrail,
    /// The key that it was asked with.
    pub key: Arc<CachedKey>,
    /// The caller's names of the fields that were left out.
    pub left_out: Vec<String>,
}

impl Answering {
    /// Notes fields that this request went without.
    pub(super) fn leave_out(&mut self, taken_out: Vec<Option<OmittedPart>>) {
        for without in taken_out.into_iter().flatten() {
            self.left_out.extend(without.named());
            self.trail.refused(without);
        }
    }
}

/// An attempt that failed, and how many were made.
pub(super) struct FailedAttempt<'a> {
    pub kind: EndpointKind,
    pub symptom: Symptom,
    pub error: &'a Error,
    pub attempts: u32,
}

impl Client {
    pub(super) fn new(mut config: Config, shared: Option<Arc<dyn PaceStore>>) -> Self {
        // One set for all keys: the memory is the process's, whoever pays.
        let places = Arc::new(Semaphore::new(PLACES));
        let keys = std::mem::take(&mut config.callers);
        let client = Self::with_places(config, shared, places, TaskTracker::new());
        client.change_callers(keys);
        client
    }

    /// Replaces the keys of callers, for requests that begin from now on; one that has not changed keeps what was
    /// learnt with it.
    pub(super) fn change_callers(&self, keys: BTreeMap<String, ApiKeySource>) {
        // Held while clients are made: that takes no network and no file, so nobody waits for long.
        let mut callers = self.callers.write().unwrap_or_else(PoisonError::into_inner);
        let own = |(name, key): (String, ApiKeySource)| {
            let known = callers.get(&name).filter(|client| client.config.key.is_same(&key)).cloned();
            let client = known.unwrap_or_else(|| {
                let config = Config { key, unfilled_key: None, ..self.config.clone() };
                let (shared, places) = (self.shared.clone(), self.places.clone());
                Arc::new(Self::with_places(config, shared, places, self.stopping.clone()))
            });
            (name, client)
        };
        *callers = keys.into_iter().map(own).collect();
    }

    /// The client with the key of this caller, where it has one of its own.
    pub(super) fn caller(&self, name: &str) -> Option<Arc<Self>> {
        self.callers.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn with_places(
        config: Config,
        shared: Option<Arc<dyn PaceStore>>,
        places: Arc<Semaphore>,
        stopping: TaskTracker,
    ) -> Self {
        Self {
            connection: OnceCell::new(),
            key: key::Reader::new(config.key.clone(), config.unfilled_key.clone()),
            governor: Governor::new(config.requests_per_minute, config.images_per_minute, shared.clone()),
            bucket: Bucket::new(),
            breakers: Breakers::default(),
            places,
            learnt: UpstreamFacts::default(),
            callers: RwLock::default(),
            shared,
            stopping,
            config,
        }
    }

    /// Sends a request until an answer begins, as often as the rules of [`retry`] allow after the `retries` that were
    /// made for the same thing.
    pub(super) async fn send(
        &self,
        call: PlannedRequest<'_>,
        retries: &mut u32,
        terms: &Terms,
    ) -> Result<Answering, Unanswered> {
        let mut trail = AttemptTrail::begin(&self.config.base_url);
        let (mut key, connection) = match self.prepare(&call, terms.deadline).await {
            Ok(prepared) => prepared,
            Err(error) => return Err(Unanswered::Failed(trail.failure(error))),
        };
        let url = self.url(call.path);
        let mut payload = call.payload.clone();
        let mut left_out = Vec::new();
        let mut renewed = false;
        loop {
            // Each attempt takes a place of its own: the upstream counts them all.
            if let Some(model) = call.model
                && let Err(error) = self.governor.pass(call.kind.counted(), &self.payer(&key), model, terms).await
            {
                return Err(Unanswered::Failed(trail.failure(error)));
            }
            let attempt = Attempt { call: &call, payload: &payload, url: &url, key: &key, terms };
            let begun = Instant::now();
            let miss = match self.attempt(&attempt, connection, &mut trail).await {
                Ok(body) => {
                    tracing::debug!(path = call.path, attempt = trail.attempts(), "attempt answered");
                    self.bucket.give_back();
                    if let Some(model) = call.model {
                        self.breakers.answering(model);
                    }
                    self.learn_form(&payload);
                    trail.warn(call.model.and_then(|_| self.governor.warning()));
                    return Ok(Answering { body, trail, key, left_out });
                }
                Err(miss) => miss,
            };
            // Some failures come with a bill.
            trail.meter_failure(miss.metered);
            // Without the error's text, which may quote the prompt.
            let status = if let Symptom::Status { code, .. } = miss.symptom { Some(code) } else { None };
            let (ms, code) = (begun.elapsed().as_millis(), miss.error.traits().code);
            tracing::debug!(path = call.path, attempt = trail.attempts(), status, ?code, ms, "attempt failed");
            trail.missed(status, code);
            // Another form, field or key is tried at once and is no retry, since the upstream has not refused it yet.
            // This ends: each takes away a field, a form or the key that was refused.
            match miss.remedy {
                Remedy::OtherWay(why) => return Err(Unanswered::Objected(why, trail.failure(miss.error))),
                Remedy::OtherKey if !renewed => {
                    renewed = true;
                    // Within the deadline: a keyring may ask the person, who may be away.
                    if let Ok(Some(other)) = timeout_at(terms.deadline.at, self.key.renew(&key)).await {
                        key = other;
                        continue;
                    }
                }
                Remedy::Other(other, without) => {
                    if let Some(without) = without {
                        left_out.extend(without.named());
                        trail.refused(without);
                    }
                    payload = *other;
                    continue;
                }
                Remedy::None | Remedy::OtherKey => {}
            }
            let failed = FailedAttempt {
                kind: call.kind,
                symptom: miss.symptom,
                error: &miss.error,
                attempts: trail.attempts(),
            };
            if !self.pause(&failed, *retries, terms).await {
                self.count_failure(call.model, &miss.error);
                return Err(Unanswered::Failed(trail.failure(miss.error)));
            }
            *retries += 1;
        }
    }

    async fn prepare(
        &self,
        call: &PlannedRequest<'_>,
        deadline: Deadline,
    ) -> Result<(Arc<CachedKey>, &Connection), Error> {
        // Before key and connection: a call that is held back needs neither.
        if let Some(model) = call.model {
            self.breakers.pass(model, Instant::now()).map_err(|open| Error::Overloaded {
                message: format!("not sent, because {model} failed in several calls in a row ({})", open.cause),
                retry_after: Some(open.wait),
            })?;
        }
        let too_late = |_| Error::TimedOut { timer: deadline.timer(), may_be_billed: Billing::No };
        let key = timeout_at(deadline.at, self.key.read()).await.map_err(too_late)??;
        // At the first request: TLS reads the certificates of the system, which takes some 5 ms.
        let connection = self.connection.get_or_try_init(async || Connection::build(&self.config)).await?;
        Ok((key, connection))
    }

    /// Waits before the next attempt, and reports it; `false` where this failure is final.
    pub(super) async fn pause(&self, failed: &FailedAttempt<'_>, retries: u32, terms: &Terms) -> bool {
        let Some(wait) = self.wait_before_retry(failed, retries, terms.deadline.at) else { return false };
        let cause = text::clip(&failed.error.to_string(), 120).into_owned();
        terms.news.stage(Stage::Retrying { attempt: failed.attempts + 1, wait, cause });
        // Else as many calls as may run at once, all of them waiting, would hold up every other.
        terms.leave_place();
        sleep(wait).await;
        terms.retake_place().await;
        true
    }

    fn wait_before_retry(&self, failed: &FailedAttempt<'_>, retries: u32, deadline: Instant) -> Option<Duration> {
        if retries >= self.config.max_retries {
            return None;
        }
        let wait = retry::decide(failed.symptom, failed.kind.resend(), retries, rand::random())?;
        // The bucket last: it pays only for retries that are made.
        (Instant::now() + wait < deadline && self.bucket.pay(failed.symptom)).then_some(wait)
    }

    /// Counts an answer that had begun, by its end: it is no failure of the upstream, unless it was a complaint of one.
    pub(super) fn count_answer<T>(&self, model: &ModelId, answer: &Result<Reply<T>, Failure>) {
        if answer.as_ref().err().is_none_or(|failure| failure.error.traits().health == Health::Well) {
            self.breakers.succeeded(model);
        }
    }

    /// Counts a call that failed for good, once, however many attempts it made.
    pub(super) fn count_failure(&self, model: Option<&ModelId>, error: &Error) {
        let Some(model) = model else { return };
        match error.traits().health {
            Health::Unknown => {}
            Health::Failing => {
                // In our own words: it is shown to other callers, and the upstream's may quote this one's prompt.
                let cause = match error {
                    Error::Overloaded { .. } => "the upstream is overloaded or failing".to_owned(),
                    error => error.to_string(),
                };
                self.breakers.failed(model, cause, Instant::now());
            }
            Health::Well => self.breakers.succeeded(model),
        }
    }

    /// The base URL with `path` behind its own path, and the configured query.
    fn url(&self, path: &str) -> Url {
        let mut url = self.config.base_url.clone();
        let (path, own) = path.split_once('?').unwrap_or((path, ""));
        let joined = format!("{}/{path}", url.path().trim_end_matches('/'));
        url.set_path(&joined);
        if !own.is_empty() || !self.config.query.is_empty() {
            let own = url::form_urlencoded::parse(own.as_bytes());
            // Through `query_pairs_mut`, which encodes: a value of `openai.query` may hold `&` or `#`.
            url.query_pairs_mut().extend_pairs(own).extend_pairs(&self.config.query);
        }
        url
    }

    /// Remembers the form in which an edit was accepted, so that the next one is sent in it at once.
    fn learn_form(&self, payload: &Payload) {
        if payload.is_json_edit() {
            self.learnt.takes_no_multipart.learn();
        }
        if payload.is_renamed() {
            self.learnt.knows_image_alone.learn();
        }
    }

    /// Cleans the texts in an error that came inside an answer.
    pub(super) fn cleaned(&self, error: Error, key: &CachedKey) -> Error {
        error.cleaned(|text| self.clean(text, key))
    }

    fn clean(&self, text: &str, key: &CachedKey) -> String {
        self.secrets(key).clean(text)
    }

    /// All that may appear in no output.
    pub(super) fn secrets(&self, key: &CachedKey) -> Arc<SecretForms> {
        let secrets = || {
            let headers = self.config.headers.iter().map(|(_, value)| value.expose_secret());
            // The query of each request is as secret as a header: some gateways take their key there.
            let query = self.config.query.iter().map(|(_, value)| value.as_str());
            Arc::new(SecretForms::new(key.secret().into_iter().chain(headers).chain(query)))
        };
        key.secrets.get_or_init(secrets).clone()
    }

    pub(super) fn body_limits(&self, kind: EndpointKind, deadline: Deadline) -> body::Limits {
        body::Limits {
            idle: self.config.idle_timeout,
            deadline,
            max_bytes: self.config.max_response_bytes,
            billing: kind.billing(),
            speed: kind.speed(),
            places: (kind == EndpointKind::Picture).then(|| self.places.clone()),
        }
    }

    fn first_byte_timeout(&self, kind: EndpointKind) -> Duration {
        match kind {
            EndpointKind::Picture => self.config.first_byte_timeout_image,
            EndpointKind::Text | EndpointKind::List | EndpointKind::Response => self.config.first_byte_timeout_text,
        }
    }
}
