//! Requests to the Responses API.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::openai::{
    Config, Part, Question, ResponseStorage, Run, WebSearch, known,
    text::{
        plan::{Plan, SCHEMA_NAME, SchemaPlan},
        turns::{self, HistoryMode, TurnPart},
    },
    transport::{
        json::{Json, Long, Writer, object},
        payload::Payload,
    },
};

#[derive(Serialize)]
struct ResponsesRequest<'a> {
    model: &'a str,
    instructions: Option<Cow<'a, str>>,
    previous_response_id: Option<&'a str>,
    temperature: Option<f64>,
    max_output_tokens: Option<u32>,
    reasoning: Option<Reasoning<'a>>,
    text: Option<TextOptions<'a>>,
    tools: Option<[HostedTool; 1]>,
    service_tier: Option<&'a str>,
    prompt_cache_key: Option<&'a str>,
    store: Option<bool>,
    background: Option<bool>,
    include: Option<[&'static str; 1]>,
    stream: bool,
    stream_options: ResponsesStreamOptions,
}

#[derive(Serialize)]
struct Reasoning<'a> {
    effort: &'a str,
}

#[derive(Serialize)]
struct TextOptions<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<ResponsesFormat<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "json_schema")]
struct ResponsesFormat<'a> {
    name: &'static str,
    schema: &'a Map<String, Value>,
    strict: bool,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum HostedTool {
    WebSearch,
}

#[derive(Serialize)]
struct ResponsesStreamOptions {
    /// Padding against listeners on the wire; TLS to OpenAI itself needs none, and it doubles the bytes.
    include_obfuscation: bool,
}

#[derive(Serialize)]
struct AssistantMessage<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "input_text")]
struct InputText<'a> {
    text: &'a str,
}

pub(crate) fn encode(question: &Question, plan: Plan, config: &Config) -> Payload {
    let is_kept = config.store == ResponseStorage::Kept;
    let in_background = question.run == Run::Background;
    let previous = turns::kept(question).filter(|_| plan.thread == HistoryMode::Kept);
    let fields = object(&ResponsesRequest {
        model: question.model.as_str(),
        // Each time: a response that continues another does not take over its instructions.
        instructions: plan.instructions(question),
        previous_response_id: previous.map(|(id, _)| id),
        temperature: question.temperature,
        // Raised to the least: OpenAI refuses less, and a word more costs next to nothing.
        max_output_tokens: question.max_tokens.map(|tokens| tokens.get().max(Question::LEAST_TOKENS)),
        reasoning: question.reasoning_effort.as_deref().map(|effort| Reasoning { effort }),
        text: text_options(question, plan),
        tools: (question.web_search == WebSearch::Allowed).then_some([HostedTool::WebSearch]),
        service_tier: config.service_tier.as_deref(),
        prompt_cache_key: known::cache_key(&config.base_url, question.cache_key.as_deref()),
        // What is worked on in the background must be kept, to be read again.
        store: if in_background { Some(true) } else { (!is_kept).then_some(false) },
        background: in_background.then_some(true),
        // What the upstream does not keep, it gives away encrypted, to be sent again.
        include: (!is_kept).then_some(["reasoning.encrypted_content"]),
        // Always: a silent connection cannot be told from a dead one.
        stream: true,
        stream_options: ResponsesStreamOptions { include_obfuscation: false },
    });
    Payload::Json(Json::new(fields).with("input", input(question, plan.thread)))
}

/// Warns of a bound that is too low to be sent.
pub(crate) fn raised(question: &Question) -> Option<String> {
    let least = Question::LEAST_TOKENS;
    let asked = question.max_tokens.filter(|tokens| tokens.get() < least)?;
    Some(format!("`max_tokens` {asked} was raised to {least}: the Responses API takes no less."))
}

fn text_options(question: &Question, plan: Plan) -> Option<TextOptions<'_>> {
    let verbosity = question.verbosity.as_deref();
    let format = question.schema.as_ref().filter(|_| plan.schema != Some(SchemaPlan::Told)).map(|form| {
        ResponsesFormat { name: SCHEMA_NAME, schema: &form.schema, strict: plan.schema == Some(SchemaPlan::Held) }
    });
    (verbosity.is_some() || format.is_some()).then_some(TextOptions { verbosity, format })
}

/// A question that is one text and stands alone is sent as that.
fn input(question: &Question, thread: HistoryMode) -> Long {
    let mut json = Writer::default();
    let turns = turns::turns(question, thread);
    let text = match turns.as_slice() {
        [TurnPart::User(parts)] => turns::as_text(parts),
        _ => None,
    };
    match text {
        Some(text) => json.value(&text),
        None => json.list(turns, write_turn),
    }
    json.finish()
}

fn write_turn(json: &mut Writer, turn: TurnPart<'_>) {
    match turn {
        TurnPart::User(parts) => {
            json.raw(r#"{"role":"user","content":"#);
            turns::write_content(json, parts, write_part);
            json.raw("}");
        }
        TurnPart::Assistant(text) => json.value(&AssistantMessage { role: "assistant", content: text }),
        TurnPart::Output(item) => json.value(item),
    }
}

fn write_part(json: &mut Writer, part: &Part) {
    match part {
        Part::Text(text) => json.value(&InputText { text }),
        Part::Picture(picture) => {
            // OpenAI's schema requires `detail` here, though it has a default.
            json.raw(r#"{"type":"input_image","detail":"auto","image_url":"#);
            json.data_url(picture.format.media_type(), &picture.content, &picture.name);
            json.raw("}");
        }
        Part::Document { name, media_type, content } => {
            json.raw(r#"{"type":"input_file","filename":"#);
            json.value(name);
            json.raw(r#","file_data":"#);
            json.data_url(media_type, content, name);
            json.raw("}");
        }
    }
}
