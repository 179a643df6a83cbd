//! The Responses API: `POST /responses`, streamed. <https://platform.openai.com/docs/api-reference/responses>

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer::{AnswerDraft, Dialect, Step, not_json, unreadable},
    citations::OutputPosition,
    finish,
    unusual::{self, StreamKind},
};
use crate::{
    money::{self, Tier},
    openai::{
        Finish, ResponseStorage,
        failure::{complaint::Complaint, error::Error},
        transport::wire::{BorrowedText, Head, Lenient, WireUsage},
    },
};

mod held;
mod output;
pub(super) mod request;
mod wire;

use held::{HeldPieces, PieceState};
use output::{cite, parts, said};
use wire::{Annotated, CompletedItem, DonePiece, ENDS, Event, LastEvent, Response};

/// The Responses API.
#[derive(Default)]
pub(crate) struct Responses {
    store: ResponseStorage,
    refusal: RefusalEvent,
    stream: StreamKind,
    /// Positions at which text was written.
    written: BTreeSet<OutputPosition>,
    /// The message that was written to last.
    message: Option<u64>,
    piece: Option<Piece>,
    held: HeldPieces,
    /// The pieces of output that are done, for where the end does not repeat them.
    output: Vec<Value>,
}

/// The piece of text that was written last.
struct Piece {
    /// `None` until the server numbers it: some do so only where it is done.
    place: Option<OutputPosition>,
    /// Bytes of the answer before it.
    start: usize,
    state: PieceState,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum RefusalEvent {
    #[default]
    None,
    Seen,
}

impl Dialect for Responses {
    fn take_event(&mut self, name: &str, data: &str, draft: &mut AnswerDraft<'_>) -> Result<Step, Error> {
        let event: Event<'_> = parse(data)?;
        // One that is named `error` is an error, whatever type it has.
        let kind = event.kind.text().filter(|kind| !kind.is_empty() && name != "error").unwrap_or(name);
        if kind.starts_with("response.") {
            self.stream = StreamKind::AsAsked;
        }
        let is_excluded = kind.is_empty() && self.stream.excludes(data);
        match kind {
            "response.output_text.delta" if event.delta.0.is_some() => self.write(&event, draft),
            "response.refusal.delta" => {
                self.refusal = RefusalEvent::Seen;
                self.write(&event, draft);
            }
            "response.output_text.done" | "response.refusal.done" | "response.content_part.done" => {
                self.take_done(&parse(data)?, draft);
            }
            "response.output_text.annotation.added" => {
                let Annotated { annotation, output_index, content_index } = parse(data)?;
                draft.citations.cite(place(&output_index, &content_index), annotation.0.unwrap_or_default());
            }
            "response.output_item.done" => self.output.push(parse::<CompletedItem>(data)?.item),
            kind if is_end(kind) => {
                let ending = kind.trim_start_matches("response.").to_owned();
                let LastEvent { response, usage } = parse(data)?;
                if let Some(usage) = usage.0 {
                    draft.meter(usage);
                }
                self.close(response.0.unwrap_or_default(), &ending, draft)?;
                if draft.is_empty() {
                    unusual::take(data.as_bytes(), draft);
                }
                return Ok(Step::Done);
            }
            // A server that was asked for a stream, and answered in one piece.
            "" if is_whole(data) => {
                self.close(parse(data)?, "completed", draft)?;
                if draft.is_empty() {
                    unusual::take(data.as_bytes(), draft);
                }
                return Ok(Step::Done);
            }
            "" | "response.output_text.delta" if !is_excluded && unusual::take(data.as_bytes(), draft) => {}
            "error" | "response.error" | "" => {
                if let Some(complaint) = unusual::complaint(kind, data, draft) {
                    if let Some(usage) = parse::<LastEvent<'_>>(data)?.usage.0 {
                        draft.meter(usage);
                    }
                    return Err(draft.refuse(&complaint));
                }
            }
            "response.created" | "response.queued" | "response.in_progress" => draft.think(),
            other if other.starts_with("response.reasoning") => draft.think(),
            other if other.starts_with("response.web_search_call.") => draft.search(),
            // Another API's events, of one that was asked as if it spoke this one.
            _ if self.stream == StreamKind::Unknown && !self.stream.excludes(data) => {
                unusual::take(data.as_bytes(), draft);
            }
            _ => {}
        }
        Ok(Step::More)
    }

    fn take_rest(&mut self, draft: &mut AnswerDraft<'_>) {
        self.release(draft);
        if draft.is_empty() {
            // Items come whole: a stream that breaks off behind them has all of the text.
            let output = std::mem::take(&mut self.output);
            self.write_output(&output, draft);
        }
    }

    fn take_body(&mut self, body: &[u8], draft: &mut AnswerDraft<'_>) -> Result<(), Error> {
        match serde_json::from_slice::<Response<'_>>(body) {
            Ok(response) if response.is_one() => {
                let is_ended = response.status.0.is_some();
                self.close(response, "completed", draft)?;
                if draft.is_empty() {
                    draft.finish.take_if(|_| !is_ended);
                    unusual::take(body, draft);
                }
            }
            _ if unusual::take(body, draft) => {}
            Ok(_) => return Err(unusual::refusal(body, unreadable("it is not a response"), draft)),
            Err(error) => return Err(unusual::refusal(body, not_json(&error), draft)),
        }
        draft.finish.get_or_insert(Finish::Stop);
        Ok(())
    }
}

impl Responses {
    pub(crate) fn new(store: ResponseStorage) -> Self {
        Self { store, ..Self::default() }
    }

    /// Returns whether an event is the last of a stream of this API.
    pub(super) fn is_end(name: &str, data: &str) -> bool {
        let head = serde_json::from_str::<Head<'_>>(data).unwrap_or_default();
        let kind = if head.kind().is_empty() { name } else { head.kind() };
        is_end(kind) || kind.is_empty() && is_whole(data)
    }

    /// Writes what a delta brings.
    fn write(&mut self, event: &Event<'_>, draft: &mut AnswerDraft<'_>) {
        let Some(delta) = event.delta.text() else { return };
        let place = place(&event.output_index, &event.content_index);
        let numbered = event.output_index.0.map(|_| place);
        let is_other = |piece: &Piece| {
            piece.state == PieceState::Open
                && piece.place.zip(numbered).is_some_and(|(open, place)| open.output != place.output)
        };
        // Two pieces that come by turns would be mixed up if they were written as they come.
        if self.piece.as_ref().is_some_and(is_other) {
            return self.held.hold(place, delta);
        }
        let goes_on = |piece: &Piece| piece.state == PieceState::Open && piece.place == numbered;
        let is_new = !self.piece.as_ref().is_some_and(goes_on);
        self.begin(place, draft);
        if is_new {
            self.piece = Some(Piece { place: numbered, start: draft.length(), state: PieceState::Open });
        }
        self.written.insert(place);
        draft.write(delta);
    }

    /// Begins a piece of text, or goes on with it. Between two messages stands a blank line: what a model says before
    /// it searches is a message of its own.
    fn begin(&mut self, place: OutputPosition, draft: &mut AnswerDraft<'_>) {
        if self.message.replace(place.output).is_some_and(|before| before != place.output) {
            draft.begin_paragraph();
        }
        draft.citations.begin(place);
    }

    /// Writes what is missing of a piece that is done: all of it where no delta came before. A piece that is open and
    /// begins alike is the same one, whatever its number: some servers number pieces only here, or otherwise.
    fn take_done(&mut self, done: &DonePiece<'_>, draft: &mut AnswerDraft<'_>) {
        let place = place(&done.output_index, &done.content_index);
        let part = done.part.0.as_ref();
        let refusal = done.refusal.text().or_else(|| part.and_then(|part| part.refusal.text()));
        let said = part.filter(|part| part.is_said()).and_then(|part| part.text.text());
        let Some(text) = refusal.or(done.text.text()).or(said) else { return };
        if refusal.is_some() {
            self.refusal = RefusalEvent::Seen;
        }
        if self.held.end(place, text) {
            return;
        }
        let is_new = self.written.insert(place);
        let is_last = |piece: &&Piece| {
            let is_open = piece.state == PieceState::Open;
            piece.place == Some(place)
                || is_open && (piece.place.is_none() || draft.missing_of(text, piece.start).is_some())
        };
        let start = match self.piece.as_ref().filter(is_last) {
            Some(piece) => piece.start,
            None if is_new => {
                self.begin(place, draft);
                draft.length()
            }
            // An earlier one, repeated.
            None => return,
        };
        self.piece = Some(Piece { place: Some(place), start, state: PieceState::Done });
        match draft.missing_of(text, start) {
            Some(missing) => {
                draft.citations.begin(place);
                draft.write(&missing);
            }
            None => draft.restate(text, start),
        }
        while self.piece.as_ref().is_none_or(|piece| piece.state == PieceState::Done) && self.write_held(draft) {}
    }

    /// Writes the first piece that was held back; false where there is none.
    fn write_held(&mut self, draft: &mut AnswerDraft<'_>) -> bool {
        let Some((place, held)) = self.held.next() else { return false };
        self.begin(place, draft);
        self.piece = Some(Piece { place: Some(place), start: draft.length(), state: held.state });
        self.written.insert(place);
        draft.write(&held.text);
        true
    }

    /// Writes what was held back: no more comes.
    fn release(&mut self, draft: &mut AnswerDraft<'_>) {
        while self.write_held(draft) {}
    }

    /// Takes the finished response, which ends as it says itself, or as the event that brought it. Of its text only
    /// what was not streamed is taken.
    fn close(&mut self, response: Response<'_>, ending: &str, draft: &mut AnswerDraft<'_>) -> Result<(), Error> {
        let status = response.status.text().map_or_else(|| ending.to_owned(), str::to_ascii_lowercase);
        let complaint = response.error.as_ref().and_then(Complaint::of_error);
        let output = match response.output {
            Some(Value::Array(output)) if !output.is_empty() => output,
            Some(Value::String(text)) => vec![json!({ "type": "message", "content": text })],
            Some(item @ Value::Object(_)) => vec![item],
            _ => std::mem::take(&mut self.output),
        };
        meter(response.usage.0, &response.service_tier, &output, draft);
        let said = said(&output);
        let missing = draft.missing_of(&said, 0);
        if draft.is_empty() {
            self.write_output(&output, draft);
        } else if let Some(missing) = &missing {
            draft.write(missing);
        }
        if missing.is_none() || draft.is_empty() {
            self.release(draft);
        }
        if missing.is_none() {
            draft.restate(&said, 0);
        }
        if draft.is_empty() {
            draft.write(response.output_text.text().unwrap_or_default());
        }
        // Behind the text, in which sources have their places.
        cite(&output, draft);
        if let Some(model) = response.model.text() {
            model.clone_into(&mut draft.model);
        }
        if status == "failed" || complaint.is_some() {
            return Err(draft.refuse(&complaint.unwrap_or_default()));
        }
        let details = response.incomplete_details.0.unwrap_or_default();
        draft.finish = Some(match (status.as_str(), details.reason.text().and_then(finish::read)) {
            (status, _) if ENDS.contains(&status) => match self.refusal {
                RefusalEvent::Seen => Finish::Refusal,
                RefusalEvent::None => Finish::Stop,
            },
            (_, Some(reason)) => reason,
            (status, None) => Finish::Other(status.to_owned()),
        });
        match self.store {
            // A server may say that it kept nothing, whatever it was asked.
            ResponseStorage::Kept if response.store.0 != Some(false) => {
                draft.response_id = response.id.text().and_then(name);
            }
            // Half a thought cannot be sent again.
            ResponseStorage::Nothing if draft.finish == Some(Finish::Stop) => draft.items = output,
            ResponseStorage::Kept | ResponseStorage::Nothing => {}
        }
        Ok(())
    }

    fn write_output(&mut self, output: &[Value], draft: &mut AnswerDraft<'_>) {
        for (place, part) in parts(output) {
            let text = match part.kind.text() {
                _ if part.is_said() => part.text.text(),
                Some("refusal") => {
                    self.refusal = RefusalEvent::Seen;
                    part.refusal.text()
                }
                _ => None,
            };
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                self.begin(place, draft);
                draft.write(text);
            }
        }
    }
}

/// Returns whether an event of this type is the last of a stream.
pub(super) fn is_end(kind: &str) -> bool {
    matches!(
        kind,
        "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled" | "response.done"
    )
}

fn is_whole(data: &str) -> bool {
    serde_json::from_str::<Response<'_>>(data).is_ok_and(|response| response.is_whole())
}

fn parse<'a, T: Deserialize<'a>>(data: &'a str) -> Result<T, Error> {
    serde_json::from_str(data).map_err(|error| not_json(&error))
}

fn place(output: &Lenient<u64>, content: &Lenient<u64>) -> OutputPosition {
    OutputPosition { output: output.0.unwrap_or(0), content: content.0.unwrap_or(0) }
}

/// Notes what is billed, also of a response that failed.
fn meter(usage: Option<WireUsage>, tier: &Lenient<BorrowedText<'_>>, output: &[Value], draft: &mut AnswerDraft<'_>) {
    if let Some(usage) = usage {
        draft.meter(usage);
    }
    draft.tier = tier.text().filter(|tier| !tier.is_empty()).map(Tier::parse);
    let web_searches = output.iter().filter(|item| is_search(item)).count() as u64;
    draft.usage = draft.usage.map(|usage| money::Usage { web_searches, ..usage });
}

/// A search of the web, which costs; to open a page that it found, or to look for something on it, does not.
/// <https://platform.openai.com/docs/guides/tools-web-search#output-and-citations>
fn is_search(item: &Value) -> bool {
    let action = item.pointer("/action/type").and_then(Value::as_str);
    item.get("type").and_then(Value::as_str) == Some("web_search_call")
        && !matches!(action, Some("open_page" | "find_in_page" | "find"))
}

/// A response's name, if it is fit to be one: 1 to 256 visible characters of ASCII. It is sent back, and kept with the
/// turn.
fn name(id: &str) -> Option<String> {
    ((1..=256).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())).then(|| id.to_owned())
}
