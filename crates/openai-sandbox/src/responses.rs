//! `POST /responses`: <https://platform.openai.com/docs/api-reference/responses/create>.

use std::sync::Arc;

use axum::{
    Extension, Json,
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    Shared,
    fault::Wishes,
    fields::Fields,
    form::{Fit, Form, Place},
    models::{self, Family},
    prose::{self, Question, Search},
    reply::{self, ApiError, Spent},
    usage::{Caching, Usage},
};
use answer::{Answer, Ids, Reasoning, Sources};
use items::Input;
use kept::{Delivery, Kept, Run};
use script::Play;

mod answer;
mod items;
pub(crate) mod kept;
mod script;

/// Fields of a request; any other is refused, as OpenAI refuses it.
const KNOWN: &str = "background background_options context_management conversation include input instructions max_output_tokens \
    max_tool_calls metadata model moderation parallel_tool_calls previous_response_id prompt prompt_cache_key \
    prompt_cache_options prompt_cache_retention reasoning safety_identifier service_tier store stream \
    stream_options temperature text tool_choice tools top_logprobs top_p truncation user";

/// The same for a request that only counts tokens.
const COUNTED: &str = "conversation input instructions model parallel_tool_calls personality previous_response_id \
    reasoning text tool_choice tools truncation";

/// Values of `include`.
const INCLUDABLE: [&str; 8] = [
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
];

pub(crate) async fn create(
    State(shared): State<Shared>,
    wishes: Option<Extension<Wishes>>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let Extension(wishes) = wishes.unwrap_or_default();
    let fields = Fields::parse(&body, KNOWN)?;
    let family = shared.models.for_responses(fields.required_text("model")?)?;
    let terms = Terms::read(&fields, &family, wishes.fit)?;
    let input = input(&fields, &shared)?;
    let question = Question {
        model: fields.required_text("model")?,
        instructions: fields.text("instructions")?,
        thread: &input.thread,
        // OpenAI refuses fewer than 16.
        max_tokens: fields.integer("max_output_tokens", 16..=1_000_000)?,
        reasoning_tokens: models::reasoning_tokens(terms.effort.as_deref()),
        form: terms.form.as_ref(),
        search: terms.search,
    };
    if question.is_blocked() {
        return Err(ApiError::moderated("invalid_request_error"));
    }
    let draft = question.answer();
    let caching = Caching::read(&fields)?;
    // All checks come before the count, which writes the prompt to the cache: a refused request writes nothing.
    let base = terms.base(&fields, wishes.tier)?;
    let usage = Usage::count(&shared.prompts, question.model, &family, &caching, &draft, wishes.cost);
    let answer = Answer {
        base,
        run: terms.run,
        reasoning: terms.reasoning,
        sources: terms.sources,
        draft: &draft,
        usage: &usage,
        ids: Ids::new(),
    };
    let spent = Extension(Spent(draft.total_tokens()));
    let response = Arc::new(Kept {
        id: terms.id,
        output: answer.output(),
        run: terms.run,
        play: Play::start(answer.script(question.word_time(shared.pace))),
        text: draft.text.clone(),
        input,
    });
    // Before it is delivered: whoever loses the connection asks for it by its id.
    if terms.store == Store::Kept {
        shared.archive.keep(Arc::clone(&response));
    }
    Ok(match (terms.delivery, terms.run) {
        (Delivery::Streamed, _) => (spent, response.stream(0)).into_response(),
        (Delivery::Whole, Run::Background(_)) => (spent, Json(response.play.beginning())).into_response(),
        (Delivery::Whole, Run::Attached) => {
            response.play.end().await;
            (spent, Json(response.play.response())).into_response()
        }
    })
}

/// `POST /responses/input_tokens`: counts, and answers nothing.
pub(crate) async fn count_input(State(shared): State<Shared>, body: Bytes) -> Result<Json<Value>, ApiError> {
    let fields = Fields::parse(&body, COUNTED)?;
    if let Some(model) = fields.text("model")? {
        shared.models.for_responses(model)?;
    }
    let input = input(&fields, &shared)?;
    let tokens = prose::input_tokens(&input.thread, fields.text("instructions")?);
    Ok(Json(json!({"object": "response.input_tokens", "input_tokens": tokens})))
}

/// Reads earlier turns and the new one.
fn input(fields: &Fields, shared: &Shared) -> Result<Input, ApiError> {
    let mut input = match fields.text("previous_response_id")? {
        None => Input::default(),
        Some(id) => {
            let previous = shared.archive.find(id).ok_or_else(|| {
                let message = format!("Previous response with id '{id}' not found.");
                fields.invalid("previous_response_not_found", "previous_response_id", message)
            })?;
            previous.continued()
        }
    };
    input.add(fields, &shared.archive)?;
    Ok(input)
}

/// The terms of an answer.
struct Terms {
    id: String,
    effort: Option<String>,
    form: Option<Form>,
    search: Search,
    run: Run,
    delivery: Delivery,
    store: Store,
    reasoning: Reasoning,
    sources: Sources,
    /// The field `text`, filled up.
    text: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Store {
    Kept,
    Forgotten,
}

impl Terms {
    fn read(fields: &Fields, family: &Family, fit: Fit) -> Result<Self, ApiError> {
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
        let verbosity = text.as_ref().map_or(Ok(None), |text| family.verbosity(text, "verbosity"))?;
        let format = text.as_ref().and_then(|text| text.value("format")).cloned();
        fields.object("stream_options", "include_obfuscation")?;
        let included = included(fields)?;
        let has = |name| included.contains(&name);
        let delivery = if fields.is_set("stream")? { Delivery::Streamed } else { Delivery::Whole };
        let store = match fields.value("store") {
            Some(Value::Bool(false)) => Store::Forgotten,
            _ => Store::Kept,
        };
        Ok(Self {
            id: reply::id("resp"),
            form: form(text.as_ref(), fit)?,
            search: search(fields, effort)?,
            effort: effort.map(str::to_owned),
            run: run(fields, store, delivery)?,
            delivery,
            store,
            reasoning: if has("reasoning.encrypted_content") { Reasoning::Sealed } else { Reasoning::Hidden },
            sources: if has("web_search_call.action.sources") { Sources::Told } else { Sources::Untold },
            text: json!({
                "format": format.unwrap_or_else(|| json!({"type": "text"})), "verbosity": verbosity.unwrap_or("medium"),
            }),
        })
    }

    /// The response as far as it follows from the request.
    fn base(&self, fields: &Fields, tier: Option<&'static str>) -> Result<Value, ApiError> {
        let sent = |name: &str| fields.value(name);
        Ok(json!({
            "id": self.id, "object": "response", "created_at": reply::now(),
            "background": self.run != Run::Attached, "error": null, "incomplete_details": null,
            "instructions": sent("instructions"), "max_output_tokens": sent("max_output_tokens"),
            "metadata": sent("metadata").unwrap_or(&json!({})), "model": sent("model"), "output": [],
            "parallel_tool_calls": true, "previous_response_id": sent("previous_response_id"),
            "reasoning": {"effort": self.effort, "summary": null},
            "service_tier": reply::service_tier(fields, tier)?,
            "temperature": fields.decimal("temperature", 0.0..=2.0)?.unwrap_or(1.0),
            "top_p": fields.decimal("top_p", 0.0..=1.0)?.unwrap_or(1.0),
            "text": self.text, "tool_choice": sent("tool_choice").unwrap_or(&json!("auto")),
            "tools": sent("tools").unwrap_or(&json!([])), "truncation": "disabled",
        }))
    }
}

/// Reads whether it continues without its connection, which it can where it is kept.
fn run(fields: &Fields, store: Store, delivery: Delivery) -> Result<Run, ApiError> {
    match (fields.is_set("background")?, store) {
        (false, _) => Ok(Run::Attached),
        (true, Store::Kept) => Ok(Run::Background(delivery)),
        (true, Store::Forgotten) => {
            let message = "Background mode requires 'store' to be true.";
            Err(fields.invalid("invalid_value", "background", message))
        }
    }
}

fn form(text: Option<&Fields>, fit: Fit) -> Result<Option<Form>, ApiError> {
    let format = text.map_or(Ok(None), |text| text.object("format", "type name schema strict description"))?;
    let Some(format) = format else { return Ok(None) };
    format.required("type")?;
    match format.choice("type", &["text", "json_object", "json_schema"])? {
        Some("json_schema") => {
            let place = Place { param: "text.format.schema", code: Some("invalid_json_schema") };
            Form::read(&format, fit, place).map(Some)
        }
        Some("json_object") => Ok(Some(Form::any_object(fit))),
        _ => Ok(None),
    }
}

/// Reads whether the web is to be searched. Other tools are accepted and never called.
fn search(fields: &Fields, effort: Option<&str>) -> Result<Search, ApiError> {
    let tools = fields.value("tools").and_then(Value::as_array).into_iter().flatten();
    let mut search = Search::Off;
    for (number, tool) in tools.enumerate() {
        let tool = Fields::at(&format!("tools[{number}]"), tool)?;
        if tool.required_text("type")?.starts_with("web_search") {
            tool.choice("search_context_size", &["low", "medium", "high"])?;
            search = Search::On;
        }
    }
    // <https://platform.openai.com/docs/guides/tools-web-search#limitations>
    if search == Search::On && effort == Some("minimal") {
        let message = "The following tools cannot be used with reasoning.effort 'minimal': web_search.";
        return Err(ApiError::invalid_without_code("tools", message));
    }
    Ok(if fields.value("tool_choice") == Some(&json!("none")) { Search::Off } else { search })
}

fn included<'a>(fields: &'a Fields) -> Result<Vec<&'a str>, ApiError> {
    let named = fields.value("include").and_then(Value::as_array).into_iter().flatten();
    let named: Vec<&str> = named.filter_map(Value::as_str).collect();
    match named.iter().position(|name| !INCLUDABLE.contains(name)) {
        None => Ok(named),
        Some(number) => {
            let supported = INCLUDABLE.join("', '");
            let message = format!("Invalid value in 'include'. Supported values are: '{supported}'.");
            Err(fields.invalid("invalid_value", &format!("include[{number}]"), message))
        }
    }
}
