//! `POST /chat/completions`: <https://platform.openai.com/docs/api-reference/chat/create>.

use std::time::Duration;

use axum::{
    Extension, Json,
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    Shared,
    attachment::Attachment,
    fault::Wishes,
    fields::Fields,
    form::{Fit, Form, Place},
    models::{self, Family},
    prose::{Draft, Ending, Kind, Question, Search},
    reply::{self, ApiError, Spent},
    stream::{self, Beat},
    thread::{Said, Thread},
    usage::{Caching, Usage},
};

/// Fields of a request; any other is refused, as OpenAI refuses it.
const KNOWN: &str = "audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens \
    max_tokens messages metadata modalities model moderation n parallel_tool_calls prediction presence_penalty \
    prompt_cache_key prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier \
    seed service_tier stop store stream stream_options temperature tool_choice tools top_logprobs top_p user \
    verbosity web_search_options";

pub(crate) async fn create(
    State(shared): State<Shared>,
    wishes: Option<Extension<Wishes>>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let Extension(wishes) = wishes.unwrap_or_default();
    let fields = Fields::parse(&body, KNOWN)?;
    let model = fields.required_text("model")?;
    let family = shared.models.for_chat(model)?;
    let effort = family.effort(&fields, "reasoning_effort")?;
    check_sampling(&fields, &family, effort)?;
    family.verbosity(&fields, "verbosity")?;
    let form = form(&fields, wishes.fit)?;
    let thread = thread(&fields)?;
    let question = Question {
        model,
        instructions: None,
        thread: &thread,
        max_tokens: max_tokens(&fields, &family)?,
        reasoning_tokens: models::reasoning_tokens(effort),
        form: form.as_ref(),
        search: Search::Off,
    };
    if question.is_blocked() {
        return Err(ApiError::moderated("invalid_request_error"));
    }
    let options = fields.object("stream_options", "include_usage include_obfuscation")?;
    let wants_usage = options.map_or(Ok(false), |options| options.is_set("include_usage"))?;
    let tail = if wants_usage { Tail::Usage } else { Tail::None };
    // Each choice is billed: <https://platform.openai.com/docs/api-reference/chat/create#chat-create-n>
    let choices = usize::try_from(fields.integer("n", 1..=128)?.unwrap_or(1)).unwrap_or(1);
    let mut draft = question.answer();
    draft.output_tokens *= choices;
    draft.reasoning_tokens *= choices;
    let spent = Extension(Spent(draft.total_tokens()));
    let tier = reply::service_tier(&fields, wishes.tier)?;
    let caching = Caching::read(&fields)?;
    // All checks come before the count, which writes the prompt to the cache: a refused request writes nothing.
    let is_streamed = fields.is_set("stream")?;
    let usage = Usage::count(&shared.prompts, model, &family, &caching, &draft, wishes.cost);
    let answer = Answer {
        id: reply::id("chatcmpl"),
        created: reply::now(),
        model,
        tier,
        draft: &draft,
        choices,
        usage: usage.of_chat(),
    };
    if is_streamed {
        Ok((spent, stream::events(answer.beats(question.word_time(shared.pace), tail))).into_response())
    } else {
        Ok((spent, Json(answer.whole())).into_response())
    }
}

fn check_sampling(fields: &Fields, family: &Family, effort: Option<&str>) -> Result<(), ApiError> {
    for (name, most) in [("temperature", 2.0), ("top_p", 1.0)] {
        let Some(given) = fields.decimal(name, 0.0..=most)? else { continue };
        let is_default = (given - 1.0).abs() < f64::EPSILON;
        if !is_default && !family.takes_temperature(effort) {
            let message = format!(
                "Unsupported value: '{name}' does not support {given} with this model. Only the default (1) value is \
                 supported."
            );
            return Err(fields.invalid("unsupported_value", name, message));
        }
    }
    Ok(())
}

fn max_tokens(fields: &Fields, family: &Family) -> Result<Option<u64>, ApiError> {
    let range = 1..=1_000_000;
    let legacy = fields.integer("max_tokens", range.clone())?;
    // Models that reason do not take it:
    // <https://platform.openai.com/docs/api-reference/chat/create#chat-create-max_tokens>
    if legacy.is_some() && family.effort.is_some() {
        let message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use \
            'max_completion_tokens' instead.";
        return Err(fields.invalid("unsupported_parameter", "max_tokens", message));
    }
    Ok(fields.integer("max_completion_tokens", range)?.or(legacy))
}

fn form(fields: &Fields, fit: Fit) -> Result<Option<Form>, ApiError> {
    let Some(format) = fields.object("response_format", "type json_schema")? else { return Ok(None) };
    format.required("type")?;
    match format.choice("type", &["text", "json_object", "json_schema"])? {
        Some("json_schema") => {
            format.required("json_schema")?;
            let described = format.object("json_schema", "name schema strict description")?;
            let place = Place { param: "response_format", code: None };
            described.map(|described| Form::read(&described, fit, place)).transpose()
        }
        Some("json_object") => Ok(Some(Form::any_object(fit))),
        _ => Ok(None),
    }
}

/// Everything that was said.
fn thread(fields: &Fields) -> Result<Thread, ApiError> {
    let messages =
        fields.required("messages")?.as_array().filter(|messages| !messages.is_empty()).ok_or_else(|| {
            let message = "Invalid type for 'messages': expected an array of objects with at least one element.";
            fields.invalid("invalid_type", "messages", message)
        })?;
    let mut thread = Thread::default();
    for (number, message) in messages.iter().enumerate() {
        let message = Fields::at(&format!("messages[{number}]"), message)?;
        message.required("role")?;
        let roles = ["system", "assistant", "user", "function", "tool", "developer"];
        let said = content(&message)?;
        match message.choice("role", &roles)? {
            Some("system" | "developer") => thread.instruct(&said.text),
            Some("assistant") => thread.answer(&said.text),
            _ => thread.ask(said),
        }
    }
    Ok(thread)
}

fn content(message: &Fields) -> Result<Said, ApiError> {
    let mut said = Said::default();
    match message.value("content") {
        // An assistant that refused, or called a function.
        None => said.add(message.text("refusal")?.unwrap_or_default()),
        Some(Value::String(text)) => said.add(text),
        Some(Value::Array(parts)) => {
            for (number, part) in parts.iter().enumerate() {
                add_part(&Fields::at(&message.param(&format!("content[{number}]")), part)?, &mut said)?;
            }
        }
        Some(_) => {
            let text = "Invalid type for content: expected one of a string or array of objects.";
            return Err(message.invalid("invalid_type", "content", text));
        }
    }
    Ok(said)
}

fn add_part(part: &Fields, said: &mut Said) -> Result<(), ApiError> {
    part.required("type")?;
    match part.choice("type", &["text", "refusal", "image_url", "file"])? {
        Some("image_url") => {
            part.required("image_url")?;
            let Some(image) = part.object("image_url", "url detail")? else { return Ok(()) };
            said.attachments.push(Attachment::picture(&image.param("url"), image.required_text("url")?)?);
        }
        Some("file") => {
            part.required("file")?;
            let Some(file) = part.object("file", "filename file_data file_id")? else { return Ok(()) };
            let (name, data) = (file.required_text("filename")?, file.required_text("file_data")?);
            said.attachments.push(Attachment::document(&file.param("file_data"), name, data)?);
        }
        Some("refusal") => said.add(part.required_text("refusal")?),
        _ => said.add(part.required_text("text")?),
    }
    Ok(())
}

/// The end of a stream after its last choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tail {
    None,
    Usage,
}

struct Answer<'a> {
    id: String,
    created: i64,
    model: &'a str,
    tier: &'a str,
    draft: &'a Draft,
    /// Number of choices of the answer, all of them alike.
    choices: usize,
    usage: Value,
}

impl Answer<'_> {
    fn whole(&self) -> Value {
        let (content, refusal) = match self.draft.kind {
            Kind::Answer => (Some(&self.draft.text), None),
            Kind::Refusal => (None, Some(&self.draft.text)),
        };
        let message = json!({"role": "assistant", "content": content, "refusal": refusal, "annotations": []});
        let choice = |index| json!({"index": index, "message": message, "logprobs": null, "finish_reason": self.finish_reason()});
        json!({
            "id": self.id, "object": "chat.completion", "created": self.created, "model": self.model,
            "choices": (0..self.choices).map(choice).collect::<Vec<_>>(),
            "usage": self.usage, "service_tier": self.tier,
        })
    }

    fn finish_reason(&self) -> &'static str {
        match self.draft.ending {
            Ending::MaxTokens => "length",
            Ending::Done | Ending::Failed => "stop",
        }
    }

    fn beats(&self, word_time: Duration, tail: Tail) -> Vec<Beat> {
        let opening = match self.draft.kind {
            Kind::Answer => json!({"role": "assistant", "content": "", "refusal": null}),
            Kind::Refusal => json!({"role": "assistant", "content": null, "refusal": ""}),
        };
        let word = |word| match self.draft.kind {
            Kind::Answer => json!({"content": word}),
            Kind::Refusal => json!({"refusal": word}),
        };
        let mut beats = Vec::new();
        for index in 0..self.choices {
            let beat = |time, delta: Value, finish_reason: Option<&str>| {
                let choice = json!({"index": index, "delta": delta, "logprobs": null, "finish_reason": finish_reason});
                Beat::unnamed(time, &self.chunk(&json!([choice]), tail))
            };
            beats.push(beat(Duration::ZERO, opening.clone(), None));
            beats.extend(self.draft.words().map(|text| beat(word_time, word(text), None)));
            beats.push(beat(Duration::ZERO, json!({}), Some(self.finish_reason())));
        }
        if tail == Tail::Usage {
            let chunk = reply::merged(self.chunk(&json!([]), tail), &json!({"usage": self.usage}));
            beats.push(Beat::unnamed(Duration::ZERO, &chunk));
        }
        beats.push(Beat::done());
        beats
    }

    fn chunk(&self, choices: &Value, tail: Tail) -> Value {
        let chunk = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model,
            "choices": choices, "service_tier": self.tier,
        });
        match tail {
            Tail::None => chunk,
            // Clients that ask for usage get the field in every chunk, null in all but the last.
            // <https://platform.openai.com/docs/api-reference/chat/create#chat-create-stream_options>
            Tail::Usage => reply::merged(chunk, &json!({"usage": null})),
        }
    }
}
