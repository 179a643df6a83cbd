//! An answer as it is written down: what comes is passed on at once, and what was passed on is the answer, byte for
//! byte. Shared by both APIs for text; knows the events of neither.

use http::StatusCode;
use serde_json::Value;

use super::{citations::Citations, redactor::Redactor};
use crate::{
    model::ModelId,
    money::{Metered, Tier, Usage, Usd},
    news::{News, Stage},
    openai::{
        Answer, Citation, Config, Finish,
        failure::{
            complaint::Complaint,
            error::{Billing, Error},
            objection::Objection,
        },
        is_openai,
        limits::retry::Symptom,
        transport::wire,
    },
    text::{self, SurrogatePairs},
};

/// A model's name or a reason, in the upstream's own words, is cut to this many characters.
const WORD: usize = 200;

/// An API for text: how its events and its plain body are read into a [`AnswerDraft`].
pub(crate) trait Dialect {
    /// Takes the data of one event, which is an object; `name` is the event's own, often empty. Unknown events are
    /// nothing.
    fn take_event(&mut self, name: &str, data: &str, draft: &mut AnswerDraft<'_>) -> Result<Step, Error>;

    /// Takes what a last event would have repeated, where none came.
    fn take_rest(&mut self, _draft: &mut AnswerDraft<'_>) {}

    /// Takes a whole answer that did not come as events.
    fn take_body(&mut self, body: &[u8], draft: &mut AnswerDraft<'_>) -> Result<(), Error>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    More,
    /// The answer is complete; what may follow does not matter.
    Done,
}

/// The part of an answer that has arrived.
pub(crate) struct AnswerDraft<'a> {
    pub text: String,
    /// The model that answers; the one that was asked until the upstream names it.
    pub model: String,
    pub usage: Option<Usage>,
    /// The service tier that the upstream names.
    pub tier: Option<Tier>,
    /// The upstream's own charge.
    pub charged: Option<Usd>,
    /// Set once the upstream has said how it ends.
    pub finish: Option<Finish>,
    /// The upstream's name for the response, where it can be continued by it.
    pub response_id: Option<String>,
    /// The output as it came, where it is sent again.
    pub items: Vec<Value>,
    pub citations: Citations,
    /// Bytes of the text that were passed on.
    passed_on: usize,
    left_out: Vec<String>,
    pub objection: Option<Objection>,
    /// The upstream's complaint in place of an answer, where it is about a field.
    pub refused: Option<Box<Complaint>>,
    /// The upstream's complaint in place of an answer, as far as asking again is concerned.
    pub symptom: Option<Symptom>,
    /// A mere message among the events, which is the reason where nothing of the answer comes after it.
    pub note: Option<Box<Complaint>>,
    /// Of characters that came in two pieces.
    pub halves: SurrogatePairs,
    stage: Option<Stage>,
    redactor: Redactor,
    asked: &'a ModelId,
    news: &'a News,
}

impl<'a> AnswerDraft<'a> {
    pub(crate) fn new(asked: &'a ModelId, left_out: Vec<String>, news: &'a News) -> Self {
        Self {
            text: String::new(),
            model: asked.as_str().to_owned(),
            usage: None,
            tier: None,
            charged: None,
            finish: None,
            response_id: None,
            items: Vec::new(),
            citations: Citations::default(),
            passed_on: 0,
            left_out,
            objection: None,
            refused: None,
            symptom: None,
            note: None,
            halves: SurrogatePairs::default(),
            stage: None,
            redactor: Redactor::default(),
            asked,
            news,
        }
    }

    /// Begins the same answer anew: what was passed on of it is not passed on again.
    pub(crate) fn again(&mut self) {
        let (passed_on, left_out) = (self.passed_on, std::mem::take(&mut self.left_out));
        let mut redactor = std::mem::take(&mut self.redactor);
        redactor.rest();
        *self = Self { passed_on, redactor, ..Self::new(self.asked, left_out, self.news) };
    }

    /// Takes these secrets out of what comes, as out of errors.
    pub(crate) fn redact_by(&mut self, redactor: Redactor) {
        if self.redactor.held().is_empty() {
            self.redactor = redactor;
        }
    }

    /// The connection was lost: what comes next is news again.
    pub(crate) fn pause(&mut self) {
        self.stage = None;
    }

    /// Takes up text without what a terminal or a model would obey, before it is shown or kept: both are the same.
    pub(crate) fn write(&mut self, came: &str) {
        let delta = text::sanitize(came);
        self.citations.note(came, &delta);
        if !delta.is_empty() {
            self.note = None;
            self.tell(Stage::Writing);
            let known = self.redactor.pass(&delta);
            self.push(&known);
        }
    }

    /// Sets what comes next apart from what was written. A model says in a message of its own that it is about to
    /// search: glued to the answer it would read `look that up.It is 42.`
    pub(crate) fn begin_paragraph(&mut self) {
        let is_apart = self.text.ends_with('\n') && self.redactor.held().is_empty();
        if !(self.is_empty() || is_apart) {
            self.write("\n\n");
        }
    }

    fn push(&mut self, delta: &str) {
        self.text.push_str(delta);
        let new = self.text.get(self.passed_on..).unwrap_or_default();
        self.news.delta(new);
        self.passed_on += new.len();
    }

    /// Returns whether nothing was written.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty() && self.redactor.held().is_empty()
    }

    /// Bytes of the text so far: where the next piece of it begins.
    pub(crate) fn length(&self) -> usize {
        self.text.len()
    }

    /// The part of a whole text that is still to be written; `None` where it does not begin with what was written from
    /// `start` on.
    pub(crate) fn missing_of(&self, whole: &str, start: usize) -> Option<String> {
        let (written, held) = (self.text.get(start..)?, self.redactor.held());
        if written.is_empty() && held.is_empty() {
            // As it came: sources count what is taken out of it, too.
            return Some(whole.to_owned());
        }
        let came = text::sanitize(whole);
        let missing = self.redactor.whole(&came).strip_prefix(written)?.strip_prefix(held)?.to_owned();
        Some(missing)
    }

    /// Takes a whole text in place of what was written from `start` on, if that lacks a part of it: an event was lost,
    /// or had another shape. What was passed on stays so.
    pub(crate) fn restate(&mut self, whole: &str, start: usize) {
        let whole = self.redactor.whole(&text::sanitize(whole)).into_owned();
        if lacks(self.text.get(start..).unwrap_or_default(), &whole) {
            self.redactor.rest();
            self.text.truncate(start);
            self.text.push_str(&whole);
            self.passed_on = self.text.len();
        }
    }

    /// The model works and has not written anything yet.
    pub(crate) fn think(&mut self) {
        if self.is_empty() {
            self.tell(Stage::Thinking);
        }
    }

    pub(crate) fn search(&mut self) {
        self.tell(Stage::Searching);
    }

    /// Takes a complaint in place of an answer. As long as nothing was written, there may be another way to ask.
    pub(crate) fn refuse(&mut self, complaint: &Complaint) -> Error {
        if self.is_empty() {
            self.objection = Objection::read(StatusCode::OK, complaint);
            self.symptom = complaint.symptom_inside_200();
            self.refused = complaint.speaks_of_a_field().then(|| Box::new(complaint.clone()));
        }
        complaint.inside_200()
    }

    /// Takes up counts and a charge; they may come more than once.
    pub(crate) fn meter(&mut self, reported: wire::WireUsage) {
        let charged = reported.charged();
        self.charged = charged.filter(|charged| *charged > Usd::ZERO).or(self.charged).or(charged);
        self.usage = [self.usage, reported.read()].into_iter().flatten().reduce(Usage::updated);
    }

    /// Takes up a charge that stands beside an answer, or a piece of it.
    pub(crate) fn meter_beside(&mut self, json: &[u8]) {
        self.charged = wire::charge_beside(json).or(self.charged);
    }

    /// The usage that is billed, as far as the upstream said so. Where another tier than `default` was asked for, it
    /// is not known without being named: the answer may have come from another.
    pub(super) fn metered(&self, config: &Config) -> Metered {
        // A tier that was refused was not asked for in the end.
        let is_left_out = self.left_out.iter().any(|field| field == "service_tier");
        let asked = config.service_tier.as_deref().filter(|_| !is_left_out);
        let unnamed = match asked.map_or(Tier::Default, Tier::parse) {
            Tier::Default => Tier::Default,
            Tier::Batch | Tier::Flex | Tier::Priority | Tier::Ultrafast | Tier::Other => Tier::Other,
        };
        // Nobody answers without reading, or writes without writing: a count that is missing is no zero.
        let is_whole = |usage: &Usage| usage.input_tokens > 0 && (usage.output_tokens > 0 || self.is_empty());
        Metered {
            usage: self.usage.filter(is_whole),
            tier: self.tier.unwrap_or(unnamed),
            // OpenAI itself charges by its list.
            charged: self.charged.filter(|_| !is_openai(&config.base_url)),
        }
    }

    fn tell(&mut self, stage: Stage) {
        if self.stage.as_ref() != Some(&stage) {
            self.news.stage(stage.clone());
            self.stage = Some(stage);
        }
    }

    /// The answer that was written.
    pub(crate) fn done(mut self) -> Result<Answer, Error> {
        // Held back as the beginning of a secret, which did not go on.
        let rest = self.redactor.rest();
        if !rest.is_empty() {
            self.push(&rest);
        }
        if self.finish.is_none() && self.text.is_empty() {
            return Err(unreadable("it holds no text"));
        }
        let finish = match self.finish {
            Some(Finish::Other(reason)) => Finish::Other(text::brief(&self.redactor.whole(&reason), WORD)),
            // Nothing but reasoning, or nothing at all, is no answer.
            Some(Finish::Stop) | None if text::behind_thoughts(&self.text).trim().is_empty() => Finish::NoText,
            finish => finish.unwrap_or(Finish::Stop),
        };
        let mut items = self.items;
        for item in &mut items {
            redact(item, &self.redactor);
        }
        let citations = self.citations.finish().into_iter().map(|Citation { title, url, range }| {
            let [title, url] = [title, url].map(|text| self.redactor.whole(&text).into_owned());
            Citation { title, url, range }
        });
        Ok(Answer {
            citations: citations.collect(),
            text: self.text,
            model: text::brief(&self.redactor.whole(&self.model), WORD),
            finish,
            left_out: self.left_out,
            response_id: self.response_id,
            items,
            only_by: None,
        })
    }
}

/// Returns whether a text is another one without some of its letters; blanks are none.
fn lacks(text: &str, whole: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<Vec<_>>();
    let (text, whole) = (letters(text), letters(whole));
    let mut rest = whole.iter();
    text.len() < whole.len() && text.iter().all(|letter| rest.any(|next| next == letter))
}

/// Takes secrets out of every text of a value.
fn redact(value: &mut Value, redactor: &Redactor) {
    match value {
        Value::String(text) => *text = redactor.whole(text).into_owned(),
        Value::Array(values) => values.iter_mut().for_each(|value| redact(value, redactor)),
        Value::Object(fields) => fields.values_mut().for_each(|value| redact(value, redactor)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Returns whether a part of a message is meant for the person, by its `type`: reasoning and calls of tools are not.
pub(crate) fn is_said(kind: Option<&str>) -> bool {
    matches!(kind, Some("output_text" | "text") | None)
}

/// Returns whether a message of this role is not the model's.
pub(crate) fn is_others(role: Option<&str>) -> bool {
    matches!(role, Some("tool" | "function" | "user" | "human" | "system" | "developer"))
}

/// An answer that cannot be used, and may be asked for again: a text costs little, though this one counts as possibly
/// billed.
pub(crate) fn unreadable(message: &str) -> Error {
    Error::BadResponse { message: message.to_owned(), may_be_billed: Billing::No }
}

/// A JSON value that is no answer, described by its place only: what it says may be anything.
pub(crate) fn not_json(error: &serde_json::Error) -> Error {
    unreadable(&format!("it is not the JSON it should be (line {}, column {})", error.line(), error.column()))
}
