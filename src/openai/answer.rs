//! An answer as it is written down: what came is told at once, and what is told is the answer, byte for byte.
//! Shared by both APIs for text; knows the events of neither.

use super::{
    Answer, Finish,
    body::{Body, Shape},
    error::{Billing, Error},
    events::Events,
};
use crate::{
    model::ModelId,
    money::Usage,
    news::{News, Stage},
    text,
};

/// A model's name or a reason, in the upstream's own words, is cut to this many characters.
const WORD: usize = 200;

/// An API for text: how its events and its plain body are read into a [`Draft`].
pub(super) trait Dialect {
    /// Takes the data of one event. Unknown events are nothing.
    fn take_event(&mut self, data: &str, draft: &mut Draft<'_>) -> Result<Step, Error>;

    /// Takes a whole answer that did not come as events.
    fn take_body(&mut self, body: &[u8], draft: &mut Draft<'_>) -> Result<(), Error>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    More,
    /// The answer is complete; what may follow does not matter.
    Done,
}

/// What is written of an answer.
pub(super) struct Draft<'a> {
    pub text: String,
    /// The model that answers; the one that was asked until the upstream names it.
    pub model: String,
    pub usage: Option<Usage>,
    /// Set once the upstream has said how it ends.
    pub finish: Option<Finish>,
    left_out: Vec<String>,
    stage: Option<Stage>,
    news: &'a News,
}

impl<'a> Draft<'a> {
    pub(super) fn new(asked: &ModelId, left_out: Vec<String>, news: &'a News) -> Self {
        let model = asked.as_str().to_owned();
        Self { text: String::new(), model, usage: None, finish: None, left_out, stage: None, news }
    }

    /// Takes up text without what a terminal or a model would obey: what is told and what is kept stay the same.
    pub(super) fn write(&mut self, delta: &str) {
        let delta = text::sanitize(delta);
        if !delta.is_empty() {
            self.tell(Stage::Writing);
            self.text.push_str(&delta);
            self.news.delta(&delta);
        }
    }

    /// The model works and has not written anything yet.
    pub(super) fn think(&mut self) {
        if self.text.is_empty() {
            self.tell(Stage::Thinking);
        }
    }

    fn tell(&mut self, stage: Stage) {
        if self.stage.as_ref() != Some(&stage) {
            self.news.stage(stage.clone());
            self.stage = Some(stage);
        }
    }

    fn done(self) -> Answer {
        Answer {
            text: self.text,
            model: text::brief(&self.model, WORD),
            finish: match self.finish {
                Some(Finish::Other(reason)) => Finish::Other(text::brief(&reason, WORD)),
                Some(finish) => finish,
                None => Finish::Stop,
            },
            usage: self.usage,
            left_out: self.left_out,
        }
    }
}

/// Reads an answer that has begun. One that breaks off after some text is kept as far as it came.
pub(super) async fn read(
    mut body: Body,
    shape: Shape,
    dialect: &mut impl Dialect,
    mut draft: Draft<'_>,
) -> Result<Answer, Error> {
    match shape {
        Shape::Json => dialect.take_body(&body.whole().await?, &mut draft)?,
        Shape::Events => listen(Events::new(body), dialect, &mut draft).await?,
    }
    if draft.finish.is_none() && draft.text.is_empty() {
        return Err(unreadable("it holds no text"));
    }
    Ok(draft.done())
}

async fn listen(mut events: Events, dialect: &mut impl Dialect, draft: &mut Draft<'_>) -> Result<(), Error> {
    loop {
        let step = match events.next().await {
            Ok(Some(data)) => take(&data, dialect, draft),
            Ok(None) if draft.finish.is_some() => return Ok(()),
            Ok(None) => Err(unreadable("it ended before its last event")),
            Err(error) => Err(error),
        };
        match step {
            Ok(Step::More) => {}
            Ok(Step::Done) => break,
            Err(error) => return cut_off(error, draft),
        }
    }
    events.finish().await;
    Ok(())
}

/// Some text is an answer, if not a whole one.
fn cut_off(error: Error, draft: &mut Draft<'_>) -> Result<(), Error> {
    let why = match &error {
        Error::TimedOut { timer, .. } => timer.to_string(),
        Error::BadResponse { message, .. } => message.clone(),
        _ => return Err(error),
    };
    if draft.text.is_empty() {
        return Err(error);
    }
    draft.finish.get_or_insert(Finish::CutOff(why));
    Ok(())
}

fn take(data: &str, dialect: &mut impl Dialect, draft: &mut Draft<'_>) -> Result<Step, Error> {
    match data.trim_ascii() {
        "[DONE]" => Ok(Step::Done),
        event if event.starts_with('{') => dialect.take_event(event, draft),
        // What some proxies send to keep a connection alive.
        _ => Ok(Step::More),
    }
}

/// Text that is not what it should be; nothing of it costs anything more.
pub(super) fn unreadable(message: &str) -> Error {
    Error::BadResponse { message: message.to_owned(), may_be_billed: Billing::No }
}

/// A JSON value that is no answer, described by its place only: what it says may be anything.
pub(super) fn not_json(error: &serde_json::Error) -> Error {
    unreadable(&format!("it is not the JSON it should be (line {}, column {})", error.line(), error.column()))
}
