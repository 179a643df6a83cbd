//! `POST /responses`: <https://platform.openai.com/docs/api-reference/responses/create>.

use std::time::Duration;

use axum::{
    Extension, Json,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    Shared,
    fields::Fields,
    models::{self, Answers},
    prose::{self, Draft, Ending, Input, Kind, Question},
    reply::{self, ApiError, Spent},
    stream::{self, Beat},
};

const KNOWN: &str = "background context_management conversation include input instructions max_output_tokens \
    max_tool_calls metadata model moderation parallel_tool_calls previous_response_id prompt prompt_cache_key \
    prompt_cache_options prompt_cache_retention reasoning safety_identifier service_tier store stream \
    stream_options temperature text tool_choice tools top_logprobs top_p truncation user";

pub async fn create(State(shared): State<Shared>, body: Bytes) -> Result<Response, ApiError> {
    let fields = Fields::parse(&body, KNOWN)?;
    let model = fields.required_text("model")?;
    let family = shared
        .models
        .family(model, Answers::Text)
        .ok_or_else(|| ApiError::model_not_found(StatusCode::BAD_REQUEST, model))?;
    let reasoning = fields.object("reasoning", "effort summary generate_summary mode context")?;
    let effort = match &reasoning {
        Some(reasoning) => family.effort(reasoning, "effort")?,
        None => family.effort.as_deref(),
    };
    for name in ["temperature", "top_p"] {
        if fields.value(name).is_some() && !family.takes_temperature(effort) {
            let message = format!("Unsupported parameter: '{name}' is not supported with this model.");
            return Err(fields.invalid("unsupported_parameter", name, message));
        }
    }
    let text = fields.object("text", "format verbosity")?;
    let verbosity = text.as_ref().map_or(Ok(None), |text| text.choice("verbosity", &["low", "medium", "high"]))?;
    fields.object("stream_options", "include_obfuscation")?;
    let question = Question {
        model,
        instructions: fields.text("instructions")?,
        input: input(&fields)?,
        max_tokens: fields.integer("max_output_tokens", 1..=1_000_000)?,
        reasoning_tokens: models::reasoning_tokens(effort),
    };
    if question.is_blocked() {
        return Err(ApiError::moderated("invalid_request_error"));
    }
    let draft = question.answer();
    let spent = Extension(Spent(draft.total_tokens()));
    let answer = Answer {
        id: reply::id("resp"),
        created_at: reply::now(),
        model,
        instructions: question.instructions,
        max_output_tokens: question.max_tokens,
        temperature: fields.decimal("temperature", 0.0..=2.0)?.unwrap_or(1.0),
        top_p: fields.decimal("top_p", 0.0..=1.0)?.unwrap_or(1.0),
        effort,
        verbosity,
        message_id: reply::id("msg"),
        reasoning_id: reply::id("rs"),
        draft: &draft,
    };
    if fields.is_set("stream")? {
        Ok((spent, stream::events(answer.beats(prose::word_time(shared.pace)))).into_response())
    } else {
        Ok((spent, Json(answer.whole())).into_response())
    }
}

fn input(fields: &Fields) -> Result<Input, ApiError> {
    let mut input = Input::default();
    match fields.required("input")? {
        Value::Array(items) => {
            items.iter().filter_map(|item| item.get("content")).for_each(|content| input.add(content));
        }
        text @ Value::String(_) => input.add(text),
        _ => {
            let message =
                "Invalid type for 'input': expected one of a string or array, but got something else instead.";
            return Err(fields.invalid("invalid_type", "input", message));
        }
    }
    Ok(input)
}

struct Answer<'a> {
    id: String,
    created_at: i64,
    model: &'a str,
    instructions: Option<&'a str>,
    max_output_tokens: Option<u64>,
    temperature: f64,
    top_p: f64,
    effort: Option<&'a str>,
    verbosity: Option<&'a str>,
    message_id: String,
    reasoning_id: String,
    draft: &'a Draft,
}

impl Answer<'_> {
    /// The answer at its end.
    fn whole(&self) -> Value {
        let (draft, status) = (self.draft, self.status());
        let mut output = Vec::new();
        output.extend((draft.reasoning_tokens > 0).then(|| self.reasoning()));
        output.extend((!draft.text.is_empty()).then(|| self.message(status, &json!([self.part(&draft.text)]))));
        let usage = json!({
            "input_tokens": draft.input_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": draft.output_tokens,
            "output_tokens_details": {"reasoning_tokens": draft.reasoning_tokens},
            "total_tokens": draft.total_tokens(),
        });
        match draft.ending {
            Ending::Done => {
                self.snapshot(status, &json!({"output": output, "usage": usage, "completed_at": reply::now()}))
            }
            Ending::MaxTokens => {
                let details = json!({"reason": "max_output_tokens"});
                self.snapshot(status, &json!({"output": output, "usage": usage, "incomplete_details": details}))
            }
            Ending::Failed => {
                let message = "The sandbox fails as asked: the question contains [failed].";
                self.snapshot(status, &json!({"error": {"code": "server_error", "message": message}}))
            }
        }
    }

    fn status(&self) -> &'static str {
        match self.draft.ending {
            Ending::Done => "completed",
            Ending::MaxTokens => "incomplete",
            Ending::Failed => "failed",
        }
    }

    /// The response object with the fields that differ from its beginning.
    fn snapshot(&self, status: &str, changed: &Value) -> Value {
        let response = json!({
            "id": self.id, "object": "response", "created_at": self.created_at, "status": status,
            "background": false, "error": null, "incomplete_details": null, "instructions": self.instructions,
            "max_output_tokens": self.max_output_tokens, "metadata": {}, "model": self.model, "output": [],
            "parallel_tool_calls": true, "previous_response_id": null,
            "reasoning": {"effort": self.effort, "summary": null}, "service_tier": "default",
            "temperature": self.temperature, "top_p": self.top_p, "truncation": "disabled",
            "text": {"format": {"type": "text"}, "verbosity": self.verbosity.unwrap_or("medium")},
            "tool_choice": "auto", "tools": [],
        });
        reply::merged(response, changed)
    }

    fn reasoning(&self) -> Value {
        json!({"id": self.reasoning_id, "type": "reasoning", "summary": []})
    }

    fn message(&self, status: &str, content: &Value) -> Value {
        json!({"id": self.message_id, "type": "message", "role": "assistant", "status": status, "content": content})
    }

    fn part(&self, text: &str) -> Value {
        match self.draft.kind {
            Kind::Answer => json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []}),
            Kind::Refusal => json!({"type": "refusal", "refusal": text}),
        }
    }

    /// The answer as events.
    fn beats(&self, word_time: Duration) -> Vec<Beat> {
        let mut script = Script { word_time, pause: Duration::ZERO, beats: Vec::new() };
        let started = self.snapshot("in_progress", &json!({}));
        script.add(json!({"type": "response.created", "response": started}));
        script.add(json!({"type": "response.in_progress", "response": started}));
        let failed = self.draft.ending == Ending::Failed;
        let reasons = self.draft.reasoning_tokens > 0;
        if reasons && !failed {
            let item = self.reasoning();
            script.add(json!({"type": "response.output_item.added", "output_index": 0, "item": item}));
            script.add(json!({"type": "response.output_item.done", "output_index": 0, "item": item}));
        }
        if !self.draft.text.is_empty() && !failed {
            self.write(&mut script, usize::from(reasons));
        }
        script.add(json!({"type": format!("response.{}", self.status()), "response": self.whole()}));
        script.beats
    }

    fn write(&self, script: &mut Script, output_index: usize) {
        let text = &self.draft.text;
        let place = json!({"item_id": self.message_id, "output_index": output_index, "content_index": 0});
        let item = self.message("in_progress", &json!([]));
        script.add(json!({"type": "response.output_item.added", "output_index": output_index, "item": item}));
        script.add_at(&place, json!({"type": "response.content_part.added", "part": self.part("")}));
        for word in self.draft.words() {
            script.wait();
            script.add_at(
                &place,
                match self.draft.kind {
                    Kind::Answer => json!({"type": "response.output_text.delta", "delta": word, "logprobs": []}),
                    Kind::Refusal => json!({"type": "response.refusal.delta", "delta": word}),
                },
            );
        }
        script.add_at(
            &place,
            match self.draft.kind {
                Kind::Answer => json!({"type": "response.output_text.done", "text": text, "logprobs": []}),
                Kind::Refusal => json!({"type": "response.refusal.done", "refusal": text}),
            },
        );
        script.add_at(&place, json!({"type": "response.content_part.done", "part": self.part(text)}));
        let item = self.message(self.status(), &json!([self.part(text)]));
        script.add(json!({"type": "response.output_item.done", "output_index": output_index, "item": item}));
    }
}

/// Events in order, numbered.
struct Script {
    word_time: Duration,
    pause: Duration,
    beats: Vec<Beat>,
}

impl Script {
    /// The next event comes a word's time later.
    fn wait(&mut self) {
        self.pause = self.word_time;
    }

    fn add(&mut self, event: Value) {
        self.add_at(&json!({}), event);
    }

    /// An event with its place in the answer.
    fn add_at(&mut self, place: &Value, event: Value) {
        let event = reply::merged(event, place);
        let event = reply::merged(event, &json!({"sequence_number": self.beats.len()}));
        self.beats.push(Beat::typed(std::mem::take(&mut self.pause), &event));
    }
}
