//! The Responses API: `POST /responses`, streamed. <https://platform.openai.com/docs/api-reference/responses>

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Answer, Finish, Question, Reply, Terms,
    answer::{self, Dialect, Draft, Step, not_json, unreadable},
    client::{Answering, Call, Client, Unanswered},
    complaint::Complaint,
    error::Error,
    kind::Kind,
    payload::Payload,
    wire::{self, Head, Lenient, Text, Usage},
};

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Reasoning<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<TextOptions<'a>>,
    stream: bool,
    stream_options: StreamOptions,
}

#[derive(Serialize)]
struct Reasoning<'a> {
    effort: &'a str,
}

#[derive(Serialize)]
struct TextOptions<'a> {
    verbosity: &'a str,
}

#[derive(Serialize)]
struct StreamOptions {
    /// Padding against listeners on the wire; TLS to OpenAI itself needs none, and it doubles the bytes.
    include_obfuscation: bool,
}

/// Asks by way of Responses.
pub(super) async fn ask(client: &Client, question: &Question, terms: &Terms) -> Result<Reply<Answer>, Unanswered> {
    let payload = Payload::Json(encode(question));
    let call = Call { kind: Kind::Text, path: "responses", model: Some(&question.model), payload };
    let Answering { body, shape, trail, key, left_out } = client.send(call, terms).await?;
    let draft = Draft::new(&question.model, left_out, &terms.news);
    let answer = answer::read(body, shape, &mut Responses::default(), draft).await;
    trail.close(answer.map_err(|error| client.cleaned(error, &key))).map_err(Unanswered::Failed)
}

fn encode(question: &Question) -> Bytes {
    wire::encode(&Request {
        model: question.model.as_str(),
        input: &question.input,
        instructions: question.instructions.as_deref(),
        temperature: question.temperature,
        max_output_tokens: question.max_tokens.map(std::num::NonZeroU32::get),
        reasoning: question.reasoning_effort.as_deref().map(|effort| Reasoning { effort }),
        text: question.verbosity.as_deref().map(|verbosity| TextOptions { verbosity }),
        stream: true,
        stream_options: StreamOptions { include_obfuscation: false },
    })
}

/// How Responses speaks.
#[derive(Default)]
struct Responses {
    refusal: Refusal,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    #[default]
    None,
    Seen,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow)]
    delta: Text<'a>,
}

#[derive(Deserialize)]
struct Closing<'a> {
    #[serde(borrow)]
    response: Response<'a>,
}

/// A response object, as far as it concerns an answer.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Response<'a> {
    #[serde(borrow)]
    status: Lenient<Text<'a>>,
    #[serde(borrow)]
    model: Lenient<Text<'a>>,
    error: Option<Value>,
    #[serde(borrow)]
    incomplete_details: Lenient<IncompleteDetails<'a>>,
    #[serde(borrow)]
    output: Option<Vec<Lenient<Item<'a>>>>,
    usage: Lenient<Usage>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct IncompleteDetails<'a> {
    #[serde(borrow)]
    reason: Lenient<Text<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Item<'a> {
    #[serde(borrow)]
    content: Lenient<Vec<Lenient<Part<'a>>>>,
}

/// `output_text` or `refusal`; parts of other kinds have neither.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Part<'a> {
    #[serde(rename = "type", borrow)]
    kind: Lenient<Text<'a>>,
    #[serde(borrow)]
    text: Lenient<Text<'a>>,
    #[serde(borrow)]
    refusal: Lenient<Text<'a>>,
}

impl Dialect for Responses {
    fn take_event(&mut self, data: &str, draft: &mut Draft<'_>) -> Result<Step, Error> {
        let head: Head<'_> = serde_json::from_str(data).map_err(|error| not_json(&error))?;
        match head.kind() {
            "response.output_text.delta" => draft.write(&delta(data)?),
            "response.refusal.delta" => {
                self.refusal = Refusal::Seen;
                draft.write(&delta(data)?);
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                let closing: Closing<'_> = serde_json::from_str(data).map_err(|error| not_json(&error))?;
                self.close(closing.response, draft)?;
                return Ok(Step::Done);
            }
            "error" | "" => {
                if let Some(complaint) = Complaint::of_event(data) {
                    return Err(complaint.inside_200());
                }
            }
            "response.created" | "response.in_progress" => draft.think(),
            other if other.starts_with("response.reasoning") => draft.think(),
            _ => {}
        }
        Ok(Step::More)
    }

    fn take_body(&mut self, body: &[u8], draft: &mut Draft<'_>) -> Result<(), Error> {
        let response: Response<'_> = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
        if response.output.is_none() && response.status.text().is_none() && response.error.is_none() {
            return Err(unreadable("it is not a response"));
        }
        self.close(response, draft)
    }
}

impl Responses {
    /// Takes the finished response. Its text is taken only where none was streamed.
    fn close(&mut self, response: Response<'_>, draft: &mut Draft<'_>) -> Result<(), Error> {
        let status = response.status.text().unwrap_or("completed");
        let complaint = response.error.as_ref().and_then(Complaint::of_error);
        if status == "failed" || complaint.is_some() {
            return Err(complaint.unwrap_or_default().inside_200());
        }
        if draft.text.is_empty() {
            self.write_output(response.output.unwrap_or_default(), draft);
        }
        if let Some(model) = response.model.text() {
            model.clone_into(&mut draft.model);
        }
        draft.usage = response.usage.0.and_then(Usage::read);
        let reason = response.incomplete_details.0.unwrap_or_default().reason;
        draft.finish = Some(match (status, reason.text()) {
            ("completed", _) if self.refusal == Refusal::Seen => Finish::Refusal,
            ("completed", _) => Finish::Stop,
            ("incomplete", Some("max_output_tokens")) => Finish::MaxTokens,
            ("incomplete", Some("content_filter")) => Finish::ContentFilter,
            (_, Some(reason)) => Finish::Other(reason.to_owned()),
            (status, None) => Finish::Other(status.to_owned()),
        });
        Ok(())
    }

    fn write_output(&mut self, output: Vec<Lenient<Item<'_>>>, draft: &mut Draft<'_>) {
        let parts = output.into_iter().filter_map(|item| item.0?.content.0).flatten().filter_map(|part| part.0);
        for part in parts {
            match part.kind.text() {
                Some("output_text") => draft.write(part.text.text().unwrap_or_default()),
                Some("refusal") => {
                    self.refusal = Refusal::Seen;
                    draft.write(part.refusal.text().unwrap_or_default());
                }
                _ => {}
            }
        }
    }
}

fn delta(data: &str) -> Result<Text<'_>, Error> {
    serde_json::from_str::<Delta<'_>>(data).map(|event| event.delta).map_err(|error| not_json(&error))
}
