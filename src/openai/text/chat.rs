//! Chat Completions: `POST /chat/completions`, streamed; the road to compatible servers, so it is read leniently.
//! <https://platform.openai.com/docs/api-reference/chat>

use serde::Deserialize;
use serde_json::Value;

use super::{
    answer::{AnswerDraft, Dialect, Step, is_others, is_said, not_json, unreadable},
    citations::{Annotation, OutputPosition},
    finish,
    responses::Responses,
    unusual::{self, StreamKind},
};
use crate::money::Tier;
use crate::openai::{
    Finish,
    failure::{complaint::Complaint, error::Error},
    transport::wire::{BorrowedText, Head, Lenient, WireUsage},
};

pub(super) mod request;

/// The Chat Completions API.
#[derive(Default)]
pub(crate) struct Chat {
    text: TextSource,
    stream: StreamKind,
    /// The one of several alternatives that spoke first: one was asked for.
    chosen: Option<u64>,
}

/// The form in which the text comes.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum TextSource {
    /// As messages, which may each be a piece or all so far.
    #[default]
    Messages,
    /// As deltas: a message beside them repeats them.
    Deltas,
}

/// A chunk of a stream (`delta`) or a whole completion (`message`).
#[derive(Deserialize, Default)]
#[serde(default)]
struct Completion<'a> {
    #[serde(borrow)]
    model: Lenient<BorrowedText<'a>>,
    choices: Option<Vec<Choice<'a>>>,
    usage: Lenient<WireUsage>,
    /// Groq's place for the counts of a stream.
    x_groq: Lenient<Groq>,
    service_tier: Lenient<BorrowedText<'a>>,
    error: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Choice<'a> {
    index: Lenient<u64>,
    #[serde(borrow)]
    delta: Lenient<ChatDelta<'a>>,
    message: Lenient<ChatDelta<'a>>,
    /// As the older completions have it.
    text: Lenient<BorrowedText<'a>>,
    finish_reason: Lenient<BorrowedText<'a>>,
    /// Moonshot's place for the counts of a stream.
    usage: Lenient<WireUsage>,
    error: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Groq {
    usage: Lenient<WireUsage>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ChatDelta<'a> {
    #[serde(borrow)]
    content: Lenient<ChatContent<'a>>,
    refusal: Lenient<BorrowedText<'a>>,
    /// The reasoning of compatible servers, under either of its names: reported as thinking, not shown.
    reasoning: Lenient<BorrowedText<'a>>,
    reasoning_content: Lenient<BorrowedText<'a>>,
    /// Sources, as OpenAI's search models and `OpenRouter` name them.
    annotations: Lenient<Vec<Lenient<Annotation<'a>>>>,
    /// The last: a list in place of the object is read in this order.
    role: Lenient<BorrowedText<'a>>,
}

/// A text, or parts of which some are texts.
#[derive(Deserialize)]
#[serde(untagged)]
enum ChatContent<'a> {
    Text(#[serde(borrow)] BorrowedText<'a>),
    Number(serde_json::Number),
    Parts(#[serde(borrow)] Vec<ChatPart<'a>>),
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ChatPart<'a> {
    #[serde(rename = "type", borrow)]
    kind: Lenient<BorrowedText<'a>>,
    text: Lenient<BorrowedText<'a>>,
    refusal: Lenient<BorrowedText<'a>>,
}

impl Dialect for Chat {
    fn take_event(&mut self, name: &str, data: &str, draft: &mut AnswerDraft<'_>) -> Result<Step, Error> {
        let chunk = serde_json::from_str::<Completion<'_>>(data);
        if let Ok(chunk) = chunk
            && (chunk.choices.is_some() || chunk.error.is_some())
        {
            if chunk.choices.is_some() {
                self.stream = StreamKind::AsAsked;
            }
            let is_silent = chunk.is_silent();
            self.take(chunk, draft)?;
            match self.text {
                TextSource::Deltas if is_silent => unusual::take_beside(data.as_bytes(), draft),
                TextSource::Messages if is_silent => unusual::take(data.as_bytes(), draft),
                TextSource::Deltas | TextSource::Messages => true,
            };
        } else if Responses::is_end(name, data) {
            let step = Responses::default().take_event(name, data, draft)?;
            // The other API cannot continue from an answer of this one.
            draft.response_id = None;
            return Ok(step);
        } else if is_repetition(data) || self.stream.excludes(data) || !unusual::take(data.as_bytes(), draft) {
            let chunk = serde_json::from_str::<Completion<'_>>(data).map_err(|error| not_json(&error))?;
            self.take(chunk, draft)?;
            if let Some(complaint) = unusual::complaint(name, data, draft) {
                return Err(draft.refuse(&complaint));
            }
        }
        Ok(Step::More)
    }

    fn take_body(&mut self, body: &[u8], draft: &mut AnswerDraft<'_>) -> Result<(), Error> {
        match serde_json::from_slice::<Completion<'_>>(body) {
            Ok(completion) if completion.is_one() => {
                self.take(completion, draft)?;
                if draft.is_empty() {
                    unusual::take(body, draft);
                }
            }
            _ if unusual::take(body, draft) => {}
            Ok(_) => return Err(unusual::refusal(body, unreadable("it holds no choices"), draft)),
            Err(error) => return Err(unusual::refusal(body, not_json(&error), draft)),
        }
        draft.finish.get_or_insert(Finish::Stop);
        Ok(())
    }
}

/// Returns whether it is an event of the Responses API that repeats what its deltas said.
fn is_repetition(data: &str) -> bool {
    serde_json::from_str::<Head<'_>>(data)
        .is_ok_and(|head| head.kind().starts_with("response.") && !head.kind().ends_with("delta"))
}

impl Completion<'_> {
    /// Returns whether an object is a completion at all: all its fields may be absent.
    fn is_one(&self) -> bool {
        self.choices.as_ref().is_some_and(|choices| !choices.is_empty()) || self.error.is_some()
    }

    /// Returns whether the usual places hold nothing that the model said.
    fn is_silent(&self) -> bool {
        self.choices.iter().flatten().all(Choice::is_silent)
    }
}

impl ChatDelta<'_> {
    fn is_empty(&self) -> bool {
        self.content.0.is_none()
            && [&self.refusal, &self.reasoning, &self.reasoning_content].iter().all(|text| text.0.is_none())
    }
}

impl Choice<'_> {
    fn is_silent(&self) -> bool {
        let said = [&self.delta, &self.message].into_iter().filter_map(|said| said.0.as_ref());
        self.text.0.is_none() && said.into_iter().all(ChatDelta::is_empty)
    }

    fn writes(&self) -> bool {
        let said = [&self.delta, &self.message].into_iter().filter_map(|said| said.0.as_ref());
        let is_written = |said: &ChatDelta<'_>| match &said.content.0 {
            Some(ChatContent::Text(text)) => !text.is_empty(),
            Some(ChatContent::Number(_) | ChatContent::Parts(_)) => true,
            None => false,
        };
        self.text.text().is_some_and(|text| !text.is_empty()) || said.into_iter().any(is_written)
    }
}

impl Chat {
    /// Takes one of the alternatives, always the same. Of another one, only what it says of the end counts.
    fn choose<'a>(&mut self, mut choices: Vec<Choice<'a>>) -> Choice<'a> {
        let is_own = |choice: &Choice<'_>| choice.index.0.is_none() || choice.index.0 == self.chosen;
        // One answer was asked for: two that come by turns would be mixed.
        let own = choices.iter().position(is_own).unwrap_or(0);
        if own >= choices.len() {
            return Choice::default();
        }
        let choice = choices.swap_remove(own);
        if self.chosen.is_some() && !is_own(&choice) {
            return Choice { delta: Lenient(None), message: Lenient(None), text: Lenient(None), ..choice };
        }
        if choice.writes() {
            self.chosen = self.chosen.or(choice.index.0);
        }
        choice
    }

    fn take(&mut self, completion: Completion<'_>, draft: &mut AnswerDraft<'_>) -> Result<(), Error> {
        let complaint = completion.error.as_ref().and_then(Complaint::of_error);
        if let Some(model) = completion.model.text().filter(|model| !model.is_empty() && *model != draft.model) {
            model.clone_into(&mut draft.model);
        }
        if let Some(tier) = completion.service_tier.text().filter(|tier| !tier.is_empty()) {
            draft.tier = Some(Tier::parse(tier));
        }
        let choice = self.choose(completion.choices.unwrap_or_default());
        let groq = completion.x_groq.0.unwrap_or_default();
        for usage in [choice.usage.0, groq.usage.0, completion.usage.0].into_iter().flatten() {
            draft.meter(usage);
        }
        // Some send an empty one beside the other.
        let is_own = |said: &ChatDelta<'_>| !is_others(said.role.text());
        let (delta, message) = (choice.delta.0.filter(is_own), choice.message.0.filter(is_own));
        let is_written = |delta: &ChatDelta<'_>| delta.content.0.is_some();
        match (delta, message) {
            (Some(delta), message) if is_written(&delta) || message.is_none() => {
                if is_written(&delta) {
                    self.text = TextSource::Deltas;
                }
                write(delta, draft, |text, draft| draft.write(text));
            }
            (_, Some(message)) => {
                let source = self.text;
                write(message, draft, |text, draft| match (draft.missing_of(text, 0), source) {
                    (Some(missing), _) => draft.write(&missing),
                    (None, TextSource::Messages) => draft.write(text),
                    (None, TextSource::Deltas) => {}
                });
            }
            (_, None) => draft.write(choice.text.text().unwrap_or_default()),
        }
        // Text that came with it, or before it, is kept: it is paid for.
        if let Some(complaint) = complaint.or_else(|| choice.error.as_ref().and_then(Complaint::of_error)) {
            return Err(draft.refuse(&complaint));
        }
        draft.finish = match choice.finish_reason.text().and_then(finish::read) {
            None => draft.finish.take(),
            // OpenAI ends a refusal with `stop`, too.
            Some(Finish::Stop) if draft.finish == Some(Finish::Refusal) => Some(Finish::Refusal),
            finish => finish,
        };
        Ok(())
    }
}

fn write<'d>(said: ChatDelta<'_>, draft: &mut AnswerDraft<'d>, write_text: impl Fn(&str, &mut AnswerDraft<'d>)) {
    if said.reasoning.text().or(said.reasoning_content.text()).is_some_and(|text| !text.is_empty()) {
        draft.think();
    }
    match said.content.0 {
        Some(ChatContent::Text(text)) => write_text(&text, draft),
        Some(ChatContent::Number(number)) => write_text(&number.to_string(), draft),
        Some(ChatContent::Parts(parts)) => {
            let said = parts.iter().filter(|part| is_said(part.kind.text())).filter_map(|part| part.text.text());
            write_text(&said.collect::<String>(), draft);
            for part in &parts {
                refuse(&part.refusal, draft);
            }
        }
        None => {}
    }
    refuse(&said.refusal, draft);
    for annotation in said.annotations.0.into_iter().flatten().filter_map(|annotation| annotation.0) {
        draft.citations.cite(OutputPosition::default(), annotation);
    }
}

fn refuse(refusal: &Lenient<BorrowedText<'_>>, draft: &mut AnswerDraft<'_>) {
    if let Some(refusal) = refusal.text().filter(|refusal| !refusal.is_empty()) {
        draft.write(refusal);
        draft.finish = Some(Finish::Refusal);
    }
}
