//! Responses that are remembered: read again, streamed again, cancelled, deleted, and gone on from.
//! <https://platform.openai.com/docs/guides/background>

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json,
    extract::{Path, State},
    http::Uri,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde_json::{Value, json};

use super::{items::Input, script::Play};
use crate::{Shared, reply::ApiError, stream as sse};

/// Number of responses that are remembered; the oldest go first.
const MOST: usize = 300;

/// The responses that `store` keeps.
#[derive(Debug, Default)]
pub(crate) struct Archive(Mutex<VecDeque<Arc<Kept>>>);

/// A response that goes on, whoever is connected.
#[derive(Debug)]
pub(crate) struct Kept {
    pub id: String,
    pub input: Input,
    /// The final answer, as items and as text.
    pub output: Vec<Value>,
    pub text: String,
    pub run: Run,
    pub play: Play,
}

/// The way in which a response was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    Attached,
    Background(Delivery),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    Streamed,
}

impl Archive {
    pub(crate) fn keep(&self, response: Arc<Kept>) {
        let mut responses = self.responses();
        responses.push_back(response);
        let surplus = responses.len().saturating_sub(MOST);
        responses.drain(..surplus);
    }

    pub(crate) fn find(&self, id: &str) -> Option<Arc<Kept>> {
        self.responses().iter().find(|response| response.id == id).cloned()
    }

    /// Returns whether an item of a response that is kept has this id.
    pub(crate) fn has_item(&self, id: &str) -> bool {
        let is_it = |item: &Value| item.get("id").and_then(Value::as_str) == Some(id);
        self.responses().iter().any(|response| response.output.iter().chain(&response.input.items).any(is_it))
    }

    fn remove(&self, id: &str) -> Option<Arc<Kept>> {
        let mut responses = self.responses();
        let place = responses.iter().position(|response| response.id == id)?;
        responses.remove(place)
    }

    fn responses(&self) -> MutexGuard<'_, VecDeque<Arc<Kept>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// All that was said, for the next question.
    pub(crate) fn continued(&self) -> Input {
        let mut said = self.input.clone();
        if !self.text.is_empty() {
            said.thread.answer(&self.text);
        }
        said.items.extend(self.output.iter().cloned());
        said
    }

    /// The events from this number on, as they happen.
    pub(crate) fn stream(self: Arc<Self>, from: usize) -> Response {
        sse::send(stream::unfold((self, from), |(response, number)| async move {
            let event = sse::typed(response.play.event(number).await?);
            Some((event, (response, number + 1)))
        }))
    }
}

/// `GET /responses/{id}`
pub(crate) async fn fetch(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let response = found(&shared, &id)?;
    if parameter(&uri, "stream").as_deref() != Some("true") {
        return Ok(Json(response.play.response()).into_response());
    }
    if response.run != Run::Background(Delivery::Streamed) {
        let message = "Only a response that was created with background=true and stream=true can be streamed again.";
        return Err(ApiError::invalid_without_code("stream", message));
    }
    let from = match parameter(&uri, "starting_after").map(|number| number.parse::<usize>()) {
        None => 0,
        Some(Ok(number)) => number.saturating_add(1),
        Some(Err(_)) => {
            let message = "Invalid type for 'starting_after': expected an integer.";
            return Err(ApiError::invalid("invalid_type", "starting_after", message));
        }
    };
    Ok(response.stream(from))
}

/// `DELETE /responses/{id}`; streams of it go on, since each holds the response itself.
pub(crate) async fn delete(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let response = shared.archive.remove(&id).ok_or_else(|| ApiError::response_not_found(&id))?;
    Ok(Json(json!({"id": response.id, "object": "response", "deleted": true})))
}

/// `POST /responses/{id}/cancel`, for what runs in the background alone; what has ended stays as it is.
/// <https://platform.openai.com/docs/api-reference/responses/cancel>
pub(crate) async fn cancel(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let response = found(&shared, &id)?;
    match response.run {
        Run::Attached => Err(ApiError::synchronous()),
        Run::Background(_) => {
            response.play.stop();
            Ok(Json(response.play.response()))
        }
    }
}

/// `GET /responses/{id}/input_items`
pub(crate) async fn input_items(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<Value>, ApiError> {
    let response = found(&shared, &id)?;
    let mut items: Vec<&Value> = response.input.items.iter().collect();
    // Newest first, and twenty, unless it is asked otherwise.
    // <https://platform.openai.com/docs/api-reference/responses/input-items>
    if parameter(&uri, "order").as_deref() != Some("asc") {
        items.reverse();
    }
    let id = |item: &&Value| item.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let after = parameter(&uri, "after").and_then(|after| items.iter().position(|item| id(item) == after));
    let rest: Vec<&Value> = items.into_iter().skip(after.map_or(0, |place| place + 1)).collect();
    let limit = parameter(&uri, "limit").and_then(|limit| limit.parse().ok()).unwrap_or(20).clamp(1, 100);
    let page: Vec<&Value> = rest.iter().take(limit).copied().collect();
    Ok(Json(json!({
        "object": "list", "data": page, "has_more": rest.len() > limit,
        "first_id": page.first().map(id).unwrap_or_default(), "last_id": page.last().map(id).unwrap_or_default(),
    })))
}

fn found(shared: &Shared, id: &str) -> Result<Arc<Kept>, ApiError> {
    shared.archive.find(id).ok_or_else(|| ApiError::response_not_found(id))
}

fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
