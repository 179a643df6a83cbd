//! A background response and how far it was read: its name upstream, and the number of the last event that was taken.
//! It goes on until it has ended or is dropped here; dropped, it is stopped upstream.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use tokio::{runtime::Handle, time::Instant};

use super::{ResponseHold, ResponseNote, place};
use crate::{
    model::ModelId,
    openai::{
        Terms,
        client::{Client, PlannedRequest},
        failure::error::Error,
        kind::EndpointKind,
        text::{
            answer::{AnswerDraft, Dialect, Step},
            responses::{self, Responses},
        },
        transport::{
            payload::Payload,
            wire::{BorrowedText, Lenient},
        },
    },
};

/// Time that the upstream has to take note that a response is to stop.
const STOP_WITHIN: Duration = Duration::from_secs(10);

pub(super) struct Followed<'a> {
    client: &'a Arc<Client>,
    pub asked: &'a ModelId,
    left_out: Vec<String>,
    hold: &'a ResponseHold,
    responses: Responses,
    running: Option<FollowedResponse>,
    /// The number of the last event that was taken.
    pub last: Option<u64>,
    /// Events that brought something.
    pub taken: u64,
}

/// A response that goes on upstream. Dropped, it is stopped there, unless it was released to another process.
struct FollowedResponse {
    client: Arc<Client>,
    hold: ResponseHold,
    id: String,
}

/// An event's type, its place in the stream, and the response that it is about.
#[derive(Deserialize, Default)]
#[serde(default)]
struct EventMark<'a> {
    #[serde(rename = "type", borrow)]
    kind: Lenient<BorrowedText<'a>>,
    sequence_number: Lenient<u64>,
    response: Lenient<BegunResponse<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct BegunResponse<'a> {
    #[serde(borrow)]
    id: Lenient<BorrowedText<'a>>,
    background: Lenient<bool>,
}

impl<'a> Followed<'a> {
    pub(super) fn new(
        client: &'a Arc<Client>,
        asked: &'a ModelId,
        left_out: Vec<String>,
        hold: &'a ResponseHold,
    ) -> Self {
        let responses = Responses::default();
        Self { client, asked, left_out, hold, responses, running: None, last: None, taken: 0 }
    }

    /// Notes the response's name, so that it can be asked for again, also by another process.
    pub(super) fn begin(&mut self, id: &str) {
        // An id becomes part of an address: one like `../models` would lead elsewhere.
        if self.running.is_some() || !is_name(id) {
            return;
        }
        let note = ResponseNote {
            response_id: id.to_owned(),
            upstream: place(&self.client.config.base_url),
            model: self.asked.clone(),
            left_out: self.left_out.clone(),
        };
        self.hold.begin(note);
        self.running =
            Some(FollowedResponse { client: self.client.clone(), hold: self.hold.clone(), id: id.to_owned() });
    }

    /// The upstream does not know it any more: there is nothing to stop.
    pub(super) fn lost(&mut self) -> Error {
        let response = self.running.as_ref().map(|running| running.id.clone()).unwrap_or_default();
        self.end();
        Error::Lost { response }
    }

    /// Nothing is left to stop.
    fn end(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.id.clear();
        }
    }

    pub(super) fn goes_on(&self) -> bool {
        self.running.is_some()
    }

    /// Forgets what was taken of it.
    pub(super) fn begin_again(&mut self) {
        self.responses = Responses::default();
        self.last = None;
    }

    /// Behind the base URL.
    pub(super) fn path(&self) -> Option<String> {
        self.running.as_ref().map(|running| format!("responses/{}", running.id))
    }

    /// The same for what comes after the last event that was taken.
    pub(super) fn stream_path(&self) -> Option<String> {
        let after = self.last.map_or_else(String::new, |last| format!("&starting_after={last}"));
        Some(format!("{}?stream=true{after}", self.path()?))
    }
}

impl Dialect for Followed<'_> {
    fn take_event(&mut self, name: &str, data: &str, draft: &mut AnswerDraft<'_>) -> Result<Step, Error> {
        let EventMark { kind, sequence_number, response } = serde_json::from_str(data).unwrap_or_default();
        // An upstream that ignores `starting_after` sends everything once more.
        if sequence_number.0.is_some_and(|number| self.last.is_some_and(|last| number <= last)) {
            return Ok(Step::More);
        }
        match (kind.text().filter(|kind| !kind.is_empty()).unwrap_or(name), response.0) {
            (last, _) if responses::is_end(last) => self.end(),
            (_, Some(BegunResponse { background: Lenient(Some(false)), .. })) => {
                self.client.learnt.has_no_background.learn();
            }
            (_, Some(BegunResponse { id, .. })) => self.begin(id.text().unwrap_or_default()),
            _ => {}
        }
        let step = self.responses.take_event(name, data, draft)?;
        self.last = sequence_number.0.or(self.last);
        self.taken += 1;
        Ok(step)
    }

    fn take_rest(&mut self, draft: &mut AnswerDraft<'_>) {
        self.responses.take_rest(draft);
    }

    fn take_body(&mut self, body: &[u8], draft: &mut AnswerDraft<'_>) -> Result<(), Error> {
        self.end();
        self.responses.take_body(body, draft)
    }
}

/// An id as upstreams make them: it becomes part of an address.
fn is_name(id: &str) -> bool {
    (1..=200).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

impl Drop for FollowedResponse {
    /// Stops it by a task of its own: whoever drops it waits for nothing.
    fn drop(&mut self) {
        // At the end of the process it may be dropped outside the runtime, without which nothing can be sent.
        let Ok(runtime) = Handle::try_current() else { return };
        if self.id.is_empty() || self.hold.is_released() {
            return;
        }
        let (client, path) = (self.client.clone(), format!("responses/{}/cancel", self.id));
        let tasks = client.stopping.clone();
        let stopping = async move {
            let terms = Terms::until(Instant::now() + STOP_WITHIN);
            // Without a model no limit holds it up; with terms of its own it is nobody's spending.
            let call = PlannedRequest { kind: EndpointKind::Text, path: &path, model: None, payload: Payload::Nothing };
            if client.send(call, &mut 0, &terms).await.is_err() {
                tracing::warn!("a response that nobody waits for any more could not be stopped upstream");
            }
        };
        tasks.spawn_on(stopping, &runtime);
    }
}
