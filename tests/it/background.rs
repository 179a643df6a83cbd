//! Responses in the upstream's background: broken connections, lost processes, and what is stopped when nobody waits.

use serde_json::json;

use crate::upstream::{self, Script, answer};

mod following;
mod restarting;
mod stopping;

const TEXT: &str = "Blue light — 🎨 — scatters most.";

/// One whole answer in the background, event by event, as they are numbered.
pub fn events() -> Vec<String> {
    let response = |status: &str| json!({"id": "resp_1", "status": status, "background": true, "model": "a-model-1"});
    let mut events = vec![
        json!({"type": "response.queued", "response": response("queued")}),
        json!({"type": "response.created", "response": response("in_progress")}),
        json!({"type": "response.in_progress", "response": response("in_progress")}),
    ];
    let deltas = TEXT.split_inclusive(' ').map(|word| json!({"type": "response.output_text.delta", "delta": word}));
    events.extend(deltas);
    events.push(json!({"type": "response.completed", "response": finished()}));
    let numbered = events.into_iter().enumerate().map(|(number, mut event)| {
        event["sequence_number"] = number.into();
        event.to_string()
    });
    numbered.collect()
}

/// The response as it is read in one piece.
fn finished() -> serde_json::Value {
    let text = json!({"type": "output_text", "text": TEXT});
    json!({
        "id": "resp_1", "status": "completed", "background": true, "model": "a-model-1",
        "output": [{"type": "message", "content": [text]}], "usage": {"input_tokens": 5, "output_tokens": 7},
    })
}

/// A stream of these events, still open.
pub fn open(events: &[String]) -> Script {
    events.iter().fold(upstream::events_open(), |script, data| script.send(upstream::event(data)))
}

/// As OpenAI says that it does not know a response.
fn forgotten() -> Script {
    let error = json!({"error": {
        "message": "Response with id 'resp_1' not found.", "type": "invalid_request_error", "param": null, "code": null,
    }});
    answer(404, &[("content-type", "application/json")], error.to_string())
}

fn refused(status: u16) -> Script {
    let error = json!({"error": {"message": "Cannot be streamed.", "type": "invalid_request_error"}});
    answer(status, &[("content-type", "application/json")], error.to_string())
}
