//! Responses that the upstream works on in its background: they go on without us. A broken stream resumes where it
//! stopped, a response that an earlier process began is read from its beginning, and one that nobody waits for any more
//! is stopped. Knows nothing of what an answer looks like: that is `responses`.
//! <https://platform.openai.com/docs/guides/background>

use std::{sync::Arc, time::Duration};

use futures_util::TryFutureExt;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::{
    answer::{AnswerDraft, Dialect, unreadable},
    receiving::{self, Stopped},
    redactor::Redactor,
};
use crate::{
    model::ModelId,
    news::Stage,
    openai::{
        Answer, Api, Background, Failure, Question, Reply, ResponseStorage, Run, Terms,
        client::{Answering, Client, PlannedRequest, Unanswered},
        failure::{
            error::{Billing, Error},
            objection::Objection,
            traits::Outlook,
        },
        is_openai,
        kind::EndpointKind,
        limits::retry::{self, Resend, Silence, Symptom},
        trail::AttemptTrail,
        transport::{
            body::{Body, BodyKind},
            events::Events,
            payload::Payload,
            wire::{BorrowedText, Lenient},
        },
    },
    text,
};

mod followed;
mod hold;

pub use hold::ResponseHold;

use followed::Followed;

/// At these efforts, models think for minutes.
const LONG_EFFORTS: [&str; 3] = ["high", "xhigh", "max"];
/// Waits between two looks at a response that cannot be streamed: 1 s, doubled up to 10 s.
const FIRST_LOOK: Duration = Duration::from_secs(1);
const LONGEST_LOOK: Duration = Duration::from_secs(10);

/// All that is needed to read a response that was begun before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseNote {
    /// The upstream's id, by which it is read again: `resp_...`.
    pub response_id: String,
    /// The upstream that works on it: host, port and path.
    pub upstream: String,
    /// The model that was asked.
    pub model: ModelId,
    /// Fields that the upstream refused and that were left out.
    pub left_out: Vec<String>,
}

/// An upstream without what may be secret in its address.
pub(crate) fn place(base_url: &Url) -> String {
    let port = base_url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}{}", base_url.host_str().unwrap_or_default(), base_url.path().trim_end_matches('/'))
}

/// In the background where it is asked for; by itself, only at OpenAI and at an effort of `high` or more. Never where
/// nothing may be left upstream: a response must be kept there to be read again.
pub(crate) fn run_for(client: &Client, question: &Question) -> Run {
    let config = &client.config;
    let takes_long = || question.reasoning_effort.as_deref().is_some_and(|effort| LONG_EFFORTS.contains(&effort));
    let is_wanted = match config.background {
        Background::Never => false,
        Background::Always => true,
        Background::Auto => is_openai(&config.base_url) && takes_long(),
    };
    let is_there = !client.learnt.has_no_background.is_learnt() && config.api != Api::Chat;
    if is_wanted && is_there && config.store == ResponseStorage::Kept { Run::Background } else { Run::Attached }
}

/// Resolves once everything was stopped that nobody waits for.
pub(crate) async fn settled(client: &Client) {
    // `wait` ends on a closed tracker alone; tasks that come later are tracked all the same.
    client.stopping.close();
    client.stopping.wait().await;
}

/// Reads a response that was asked for in the background to its end.
pub(crate) async fn follow(
    client: &Arc<Client>,
    question: &Question,
    mut answering: Answering,
    terms: &Terms,
) -> Result<Reply<Answer>, Unanswered> {
    // An upstream that refused `background` answered without it: remembered, and of no interest to the person.
    let asked = answering.left_out.len();
    answering.left_out.retain(|field| field != "background");
    if answering.left_out.len() < asked {
        client.learnt.has_no_background.learn();
    }
    let left_out = std::mem::take(&mut answering.left_out);
    let followed = Followed::new(client, &question.model, left_out.clone(), &terms.hold);
    let draft = AnswerDraft::new(&question.model, left_out, &terms.news);
    let trail = AttemptTrail::begin(&client.config.base_url);
    Box::pin(ResponseReader { client, terms, followed, draft, trail, way: ReadMode::Stream }.read(Some(answering)))
        .await
}

/// Reads one that was begun before. It is followed from now on: dropped unread, it is stopped upstream, too.
pub(crate) fn resume<'a>(
    client: &'a Arc<Client>,
    response: &'a ResponseNote,
    terms: &'a Terms,
) -> impl Future<Output = Result<Reply<Answer>, Failure>> + Send + 'a {
    let ResponseNote { response_id, model, left_out, .. } = response;
    let mut followed = Followed::new(client, model, left_out.clone(), &terms.hold);
    followed.begin(response_id);
    let draft = AnswerDraft::new(model, left_out.clone(), &terms.news);
    let trail = AttemptTrail::begin(&client.config.base_url);
    let reading = ResponseReader { client, terms, followed, draft, trail, way: ReadMode::Stream };
    // What was asked is not known any more: it cannot be asked again.
    Box::pin(reading.read(None).map_err(Failure::from))
}

/// One response on its way, over as many connections as it takes.
struct ResponseReader<'a> {
    client: &'a Arc<Client>,
    terms: &'a Terms,
    followed: Followed<'a>,
    draft: AnswerDraft<'a>,
    trail: AttemptTrail,
    way: ReadMode,
}

/// The way to read it when its first connection is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReadMode {
    Stream,
    /// As often as that: for upstreams that do not stream a response twice.
    Look {
        every: Duration,
    },
}

/// The reason why a connection did not bring the answer to its end.
enum Halt {
    Broken(Error),
    /// It is still being worked on.
    Unfinished,
    /// There is nothing to continue.
    Final(Error),
}

/// The fields of a response that tell whether it has ended.
#[derive(Deserialize, Default)]
#[serde(default)]
struct BackgroundStatus<'a> {
    #[serde(borrow)]
    id: Lenient<BorrowedText<'a>>,
    status: Lenient<BorrowedText<'a>>,
}

impl ResponseReader<'_> {
    async fn read(mut self, first: Option<Answering>) -> Result<Reply<Answer>, Unanswered> {
        let mut fruitless = 0;
        let mut next = first;
        loop {
            let before = self.followed.taken;
            let heard = match next.take() {
                Some(answering) => self.hear(answering).await,
                None => self.ask_again().await,
            };
            let halt = match heard {
                Ok(()) => return self.done(None),
                Err(halt) => halt,
            };
            let rest = match halt {
                Halt::Final(error) => Err(error),
                Halt::Unfinished => self.wait_to_look().await,
                // Without a name there is nothing to ask for again.
                Halt::Broken(error) if !self.followed.goes_on() => Err(error),
                Halt::Broken(error) => {
                    // A long answer may break off many times: only connections in a row that bring nothing are counted.
                    fruitless = if self.followed.taken > before { 0 } else { fruitless + 1 };
                    self.wait_to_resume(fruitless, error).await
                }
            };
            if let Err(error) = rest {
                return self.done(Some(error));
            }
        }
    }

    /// Takes what one connection brings.
    async fn hear(&mut self, answering: Answering) -> Result<(), Halt> {
        let Answering { mut body, trail, key, .. } = answering;
        self.trail.absorb(trail);
        self.draft.redact_by(Redactor::new(self.client.secrets(&key)));
        let heard = match body.shape().await {
            Err(error) => Err(Halt::Broken(error)),
            Ok(BodyKind::Json | BodyKind::Raw) => self.take_whole(body).await,
            Ok(BodyKind::Events) => {
                match receiving::listen(Events::new(body), &mut self.followed, &mut self.draft).await {
                    Ok(()) if self.draft.finish.is_none() => {
                        Err(Halt::Broken(unreadable("it ended before its last event")))
                    }
                    Ok(()) => Ok(()),
                    Err(Stopped::Broken(error)) => Err(Halt::Broken(error)),
                    Err(Stopped::Refused(error)) => Err(Halt::Final(error)),
                }
            }
        };
        heard.map_err(|halt| match halt {
            Halt::Broken(error) => Halt::Broken(self.client.cleaned(error, &key)),
            Halt::Final(error) => Halt::Final(self.client.cleaned(error, &key)),
            Halt::Unfinished => Halt::Unfinished,
        })
    }

    /// Takes a response that came as one piece, if it has ended.
    async fn take_whole(&mut self, mut body: Body) -> Result<(), Halt> {
        let json = body.whole().await.map_err(Halt::Broken)?;
        let BackgroundStatus { id, status } = serde_json::from_slice(&json).unwrap_or_default();
        if let (Some(id), Some("queued" | "in_progress")) = (id.text(), status.text()) {
            self.followed.begin(id);
            if self.way == ReadMode::Stream {
                self.way = ReadMode::Look { every: FIRST_LOOK };
            }
            self.draft.think();
            return Err(Halt::Unfinished);
        }
        if !self.followed.goes_on() {
            // It was not even begun there.
            self.client.learnt.has_no_background.learn();
        }
        self.begin_again();
        self.followed.take_body(&json, &mut self.draft).map_err(Halt::Final)
    }

    /// Asks for the response once more: its stream from where it broke off, or how it stands.
    async fn ask_again(&mut self) -> Result<(), Halt> {
        if self.way == ReadMode::Stream && self.followed.last.is_none() {
            self.begin_again();
        }
        let path = match self.way {
            ReadMode::Stream => self.followed.stream_path(),
            ReadMode::Look { .. } => self.followed.path(),
        };
        let Some(path) = path else { return Err(Halt::Final(unreadable("it has no name to ask for it by"))) };
        let call = PlannedRequest { kind: EndpointKind::Response, path: &path, model: None, payload: Payload::Nothing };
        match self.client.send(call, &mut 0, self.terms).await {
            Ok(answering) => self.hear(answering).await,
            Err(unanswered) => self.read_refusal(unanswered),
        }
    }

    /// Takes it from its beginning; what was passed on is not passed on again.
    fn begin_again(&mut self) {
        self.draft.again();
        self.followed.begin_again();
    }

    fn read_refusal(&mut self, unanswered: Unanswered) -> Result<(), Halt> {
        let is_unknown =
            matches!(unanswered, Unanswered::Objected(Objection::NoSuchApi | Objection::UnknownResponse, _));
        let failure = Failure::from(unanswered);
        self.trail.count(failure.meta.attempts);
        Err(match failure.error {
            Error::Refused { .. } | Error::ModelNotFound { .. } if self.way == ReadMode::Stream => {
                // It may only refuse to stream a second time: its state is asked for at once.
                self.way = ReadMode::Look { every: Duration::ZERO };
                Halt::Unfinished
            }
            Error::Refused { .. } if is_unknown => Halt::Final(self.followed.lost()),
            error => match error.traits().outlook {
                Outlook::Passing => Halt::Broken(error),
                Outlook::Lasting => Halt::Final(error),
            },
        })
    }

    /// Waits until it is worth looking at the response again: longer each time.
    async fn wait_to_look(&mut self) -> Result<(), Error> {
        let ReadMode::Look { every } = self.way else { return Ok(()) };
        self.way = ReadMode::Look { every: more_seldom(every) };
        self.wait(every).await
    }

    /// Waits before the next connection, after `fruitless` ones in a row that brought nothing.
    async fn wait_to_resume(&mut self, fruitless: u32, broken: Error) -> Result<(), Error> {
        let symptom = Symptom::Unanswered(Silence::Broken);
        // At once after a connection that brought something.
        let wait = match fruitless.checked_sub(1) {
            Some(retries) => retry::decide(symptom, Resend::Always, retries, rand::random()).unwrap_or_default(),
            None => Duration::ZERO,
        };
        // From the same bucket as retries: an upstream that drops all its streams at once is not stormed.
        if !self.client.bucket.pay(symptom) {
            return Err(broken);
        }
        self.draft.pause();
        let cause = text::clip(&broken.to_string(), 120).into_owned();
        self.terms.news.stage(Stage::Retrying { attempt: self.trail.attempts() + 1, wait, cause });
        self.wait(wait).await
    }

    async fn wait(&self, wait: Duration) -> Result<(), Error> {
        let until = Instant::now() + wait;
        sleep_until(until.min(self.terms.deadline.at)).await;
        if until < self.terms.deadline.at {
            return Ok(());
        }
        Err(Error::TimedOut { timer: self.terms.deadline.timer(), may_be_billed: Billing::No })
    }

    /// The answer, as far as it came. What was not read to its end is stopped upstream.
    fn done(mut self, failed: Option<Error>) -> Result<Reply<Answer>, Unanswered> {
        if failed.is_some() {
            self.followed.take_rest(&mut self.draft);
        }
        let metered = self.draft.metered(&self.client.config);
        let complained = (self.draft.objection, self.draft.refused.take(), self.draft.symptom);
        // What is billed is not asked for again.
        let (objection, refused, symptom) = if metered.is_reported() { (None, None, None) } else { complained };
        let metered = self.trail.meter(metered);
        let answer = match failed {
            Some(error) if self.draft.is_empty() => Err(error),
            Some(error) => receiving::cut_off(error, &mut self.draft).and_then(|()| self.draft.done()),
            None => self.draft.done(),
        };
        let answer = answer.inspect(|answer| self.trail.named(&answer.model));
        let closed = self.trail.close(answer);
        self.client.count_answer(self.followed.asked, &closed);
        closed.map_err(|failure| Unanswered::inside_200(failure, metered, objection, refused, symptom, self.terms))
    }
}

fn more_seldom(every: Duration) -> Duration {
    (every * 2).clamp(FIRST_LOOK, LONGEST_LOOK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_become_seldom_up_to_ten_seconds() {
        let waits = std::iter::successors(Some(Duration::ZERO), |every| Some(more_seldom(*every)));
        assert_eq!(waits.take(7).map(|wait| wait.as_secs()).collect::<Vec<_>>(), [0, 1, 2, 4, 8, 10, 10]);
    }
}
