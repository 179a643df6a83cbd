//! Requests to Chat Completions.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::openai::{
    Config, Part, Question, ResponseStorage, WebSearch, is_openai, known,
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
struct ChatRequest<'a> {
    model: &'a str,
    temperature: Option<f64>,
    /// OpenAI's name: its reasoning models refuse the older one.
    max_completion_tokens: Option<u32>,
    /// The older name, by which compatible servers know it.
    max_tokens: Option<u32>,
    reasoning_effort: Option<&'a str>,
    verbosity: Option<&'a str>,
    response_format: Option<ResponseFormat<'a>>,
    /// OpenAI's own.
    web_search_options: Option<WebSearchOptions>,
    service_tier: Option<&'a str>,
    prompt_cache_key: Option<&'a str>,
    /// OpenAI's own.
    store: Option<bool>,
    stream: bool,
    stream_options: ChatStreamOptions,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "json_schema")]
struct ResponseFormat<'a> {
    json_schema: ChatFormat<'a>,
}

#[derive(Serialize)]
struct ChatFormat<'a> {
    name: &'static str,
    schema: &'a Map<String, Value>,
    strict: bool,
}

#[derive(Serialize)]
struct WebSearchOptions {}

#[derive(Serialize)]
struct ChatStreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct ChatMessage<'a> {
    role: &'static str,
    content: Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "text")]
struct TextPart<'a> {
    text: &'a str,
}

/// The request, and the caller's names of the fields that it does without: only OpenAI itself has them.
pub(crate) fn encode(question: &Question, plan: Plan, config: &Config) -> (Payload, Vec<String>) {
    let is_openai = is_openai(&config.base_url);
    let max_tokens = question.max_tokens.map(std::num::NonZeroU32::get);
    let searches = question.web_search == WebSearch::Allowed;
    let fields = object(&ChatRequest {
        model: question.model.as_str(),
        temperature: question.temperature,
        max_completion_tokens: max_tokens.filter(|_| is_openai),
        max_tokens: max_tokens.filter(|_| !is_openai),
        reasoning_effort: question.reasoning_effort.as_deref(),
        verbosity: question.verbosity.as_deref(),
        response_format: response_format(question, plan),
        web_search_options: (searches && is_openai).then_some(WebSearchOptions {}),
        service_tier: config.service_tier.as_deref(),
        prompt_cache_key: known::cache_key(&config.base_url, question.cache_key.as_deref()),
        store: (is_openai && config.store == ResponseStorage::Nothing).then_some(false),
        // Always: a silent connection cannot be told from a dead one.
        stream: true,
        // Without it a stream ends without its counts, and the answer has no cost.
        stream_options: ChatStreamOptions { include_usage: true },
    });
    let left_out = if searches && !is_openai { vec!["web_search".to_owned()] } else { Vec::new() };
    (Payload::Json(Json::new(fields).with("messages", messages(question, plan))), left_out)
}

fn response_format(question: &Question, plan: Plan) -> Option<ResponseFormat<'_>> {
    let form = question.schema.as_ref().filter(|_| plan.schema != Some(SchemaPlan::Told))?;
    let strict = plan.schema == Some(SchemaPlan::Held);
    Some(ResponseFormat { json_schema: ChatFormat { name: SCHEMA_NAME, schema: &form.schema, strict } })
}

/// The whole thread: this API keeps none.
fn messages(question: &Question, plan: Plan) -> Long {
    let mut json = Writer::default();
    let system = plan.instructions(question).map(ChatTurn::System);
    let turns = turns::turns(question, HistoryMode::AsText).into_iter().map(ChatTurn::Turn);
    json.list(system.into_iter().chain(turns), write_message);
    json.finish()
}

/// The content of one message.
enum ChatTurn<'a> {
    System(Cow<'a, str>),
    Turn(TurnPart<'a>),
}

fn write_message(json: &mut Writer, said: ChatTurn<'_>) {
    match said {
        // Not `developer`, which OpenAI alone knows: it takes `system` for the same.
        ChatTurn::System(content) => json.value(&ChatMessage { role: "system", content }),
        ChatTurn::Turn(TurnPart::Assistant(text)) => {
            json.value(&ChatMessage { role: "assistant", content: text.into() });
        }
        ChatTurn::Turn(TurnPart::User(parts)) => {
            json.raw(r#"{"role":"user","content":"#);
            turns::write_content(json, parts, write_part);
            json.raw("}");
        }
        ChatTurn::Turn(TurnPart::Output(item)) => json.value(item),
    }
}

fn write_part(json: &mut Writer, part: &Part) {
    match part {
        Part::Text(text) => json.value(&TextPart { text }),
        Part::Picture(picture) => {
            json.raw(r#"{"type":"image_url","image_url":{"detail":"auto","url":"#);
            json.data_url(picture.format.media_type(), &picture.content, &picture.name);
            json.raw("}}");
        }
        Part::Document { name, media_type, content } => {
            json.raw(r#"{"type":"file","file":{"filename":"#);
            json.value(name);
            json.raw(r#","file_data":"#);
            json.data_url(media_type, content, name);
            json.raw("}}");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{model::ModelId, openai::transport::http2};

    #[test]
    fn only_openai_is_sent_what_only_openai_has() {
        let question = Question {
            web_search: WebSearch::Allowed,
            max_tokens: std::num::NonZeroU32::new(9),
            cache_key: Some("a".to_owned()),
            ..Question::new(ModelId::parse("m").unwrap(), "Hi".to_owned())
        };
        let request = |base_url: &str| {
            let base_url = base_url.parse().unwrap();
            let config = Config { base_url, store: ResponseStorage::Nothing, ..http2::config() };
            let (payload, left_out) = encode(&question, Plan::first(&question, config.api, config.store), &config);
            let Payload::Json(json) = payload else { panic!("{payload:?}") };
            (Value::Object(json.fields), left_out)
        };
        let (fields, left_out) = request("https://api.openai.com/v1");
        let expected = json!({"model": "m", "max_completion_tokens": 9, "web_search_options": {}, "store": false,
            "prompt_cache_key": "a", "stream": true, "stream_options": {"include_usage": true}});
        assert_eq!((fields, left_out.len()), (expected, 0));
        let (fields, left_out) = request("https://example.com/v1");
        let expected =
            json!({"model": "m", "max_tokens": 9, "stream": true, "stream_options": {"include_usage": true}});
        assert_eq!((fields, left_out), (expected, vec!["web_search".to_owned()]));
    }
}
