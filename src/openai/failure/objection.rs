//! Objections to the form of a question, which may succeed in another form. Knows how servers word it, and not what the
//! other way is.

use http::StatusCode;

use super::complaint::Complaint;
use crate::openai::{
    known::{self, ErrorMeaning},
    text::api::TextApi,
};

/// Words for something that is missing.
const MISSING: [&str; 7] =
    ["unknown", "unexpected", "unrecognized", "no such", "not found", "not exist", "not implemented"];

/// An objection of the upstream, or of a model, to the form of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Objection {
    /// It does not have this API.
    NoSuchApi,
    /// The model does not answer by this API, but may by the other.
    OtherApi,
    /// The model answers by this API alone.
    OnlyBy(TextApi),
    /// It does not know the response to continue, has forgotten it, or never continues one.
    UnknownResponse,
    /// It does not take the output of earlier responses again.
    Output,
    /// It cannot hold an answer to this schema strictly.
    StrictSchema,
    /// It holds no answer to a schema.
    Schema,
}

impl Objection {
    /// Reads the complaint of an answer with this status.
    pub(crate) fn read(status: StatusCode, complaint: &Complaint) -> Option<Self> {
        let param = complaint.param.as_deref().unwrap_or_default();
        let message = complaint.message.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|words| message.contains(words));

        // First, since the 404 of a response that is gone would otherwise be read as that of a missing API.
        if complaint.code == "previous_response_not_found"
            || matches!(param, "previous_response_id" | "response_id")
            || says(&["previous_response_id", "previous response"])
            || message.starts_with("response with id")
            || says(&["resp_"]) && says(&MISSING)
        {
            return Some(Self::UnknownResponse);
        }
        if complaint.code == "invalid_encrypted_content"
            || says(&["encrypted content", "item with id", "without its required"])
        {
            return Some(Self::Output);
        }
        match known::meaning(&complaint.code, &message) {
            Some(ErrorMeaning::NoSuchApi) => return Some(Self::NoSuchApi),
            Some(ErrorMeaning::OtherApi) => {
                return Some(only_api(complaint, &message).map_or(Self::OtherApi, Self::OnlyBy));
            }
            Some(ErrorMeaning::Refuses(_)) | None => {}
        }
        if let Some(api) = only_api(complaint, &message) {
            return Some(Self::OnlyBy(api));
        }
        if matches!(param.split(['.', '[']).next(), Some("text" | "response_format"))
            || says(&["response_format", "text.format", "json_schema", "json schema", "grammar"])
        {
            // Strict ones are a part of JSON Schema; the same schema may do as a guide.
            // <https://platform.openai.com/docs/guides/structured-outputs#supported-schemas>
            let is_refused = complaint.code == "invalid_json_schema" || says(&["invalid schema"]);
            return Some(if is_refused { Self::StrictSchema } else { Self::Schema });
        }
        let is_missing = matches!(status.as_u16(), 404 | 405 | 410 | 501) || lacks_responses(&message);
        let is_missing = is_missing && param.is_empty() && !complaint.speaks_of_a_model();
        // The handler of the other API, to which some servers hand every path.
        (is_missing || complaint.misses_the_field("messages")).then_some(Self::NoSuchApi)
    }

    /// Returns whether it is about the API that was asked: servers say that with many a status.
    pub(crate) fn is_about_the_api(self) -> bool {
        match self {
            Self::NoSuchApi | Self::OtherApi | Self::OnlyBy(_) => true,
            Self::UnknownResponse | Self::Output | Self::StrictSchema | Self::Schema => false,
        }
    }
}

/// Returns whether Responses is said to be missing: "Unknown request URL: POST /v1/responses", "Responses API is not
/// implemented", "No such endpoint: responses".
fn lacks_responses(message: &str) -> bool {
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    says(&["/responses", "responses api", "responses endpoint", "endpoint: responses", "endpoint responses"])
        && (says(&MISSING) || says(&["invalid url"]))
        || says(&["responses api", "responses endpoint"]) && says(&["not supported", "unsupported", "not available"])
}

/// The API that a model is said to answer by: "only supported in v1/responses and not in v1/chat/completions",
/// "cannot be used with the Responses API", "not supported in /v1/chat/completions, please use /v1/responses".
fn only_api(complaint: &Complaint, message: &str) -> Option<TextApi> {
    if !complaint.speaks_of_a_model() {
        return None;
    }
    let named_after = |words: &str| message.split_once(words).and_then(|(_, rest)| first_api(rest));
    let only =
        ["only supported", "only available", "only be used", "only works"].iter().find_map(|yes| named_after(yes));
    only.or_else(|| {
        let not = ["not supported", "cannot be used", "can't be used", "not available", "not support"];
        let refused = |no: &&str| {
            let (before, after) = message.split_once(*no)?;
            first_api(after).or_else(|| first_api(before))
        };
        not.iter().find_map(refused).map(TextApi::other)
    })
}

fn first_api(text: &str) -> Option<TextApi> {
    let place = |names: &[&str]| names.iter().filter_map(|name| text.find(name)).min();
    let responses = place(&["v1/responses", "responses api", "responses endpoint"]);
    let chat = place(&["chat/completions", "chat completions"]);
    match (responses, chat) {
        (Some(responses), Some(chat)) => Some(if responses < chat { TextApi::Responses } else { TextApi::Chat }),
        (Some(_), None) => Some(TextApi::Responses),
        (None, Some(_)) => Some(TextApi::Chat),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(status: u16, error: &serde_json::Value) -> Option<Objection> {
        let complaint = Complaint::of_error(error).unwrap();
        Objection::read(StatusCode::from_u16(status).unwrap(), &complaint)
    }

    #[test]
    fn objections_as_servers_word_them() {
        use Objection::{NoSuchApi, OnlyBy, Output, Schema, StrictSchema, UnknownResponse};
        let model = |message| json!({"message": message, "param": "model", "code": null});
        for (status, error, objection) in [
            (404, json!({"message": "Not Found"}), Some(NoSuchApi)),
            (405, json!({"message": "Method Not Allowed"}), Some(NoSuchApi)),
            (404, json!({"message": "The model `x` does not exist", "code": "model_not_found"}), None),
            (400, json!({"message": "Not Found"}), None),
            (
                404,
                model("This model is only supported in v1/responses and not in v1/chat/completions."),
                Some(OnlyBy(TextApi::Responses)),
            ),
            (
                400,
                model(
                    "Function tools with reasoning_effort are not supported for this model in /v1/chat/completions. Please use /v1/responses instead.",
                ),
                Some(OnlyBy(TextApi::Responses)),
            ),
            (
                400,
                model("The requested model 'gpt-5-search-api' cannot be used with the Responses API."),
                Some(OnlyBy(TextApi::Chat)),
            ),
            (
                400,
                json!({"message": "Previous response with id 'resp_1' not found.", "param": "previous_response_id",
                    "code": "previous_response_not_found"}),
                Some(UnknownResponse),
            ),
            (404, json!({"message": "Response with id 'resp_1' not found.", "code": 404}), Some(UnknownResponse)),
            (
                400,
                json!({"message": "Unsupported parameter", "param": "previous_response_id", "code": "unsupported_parameter"}),
                Some(UnknownResponse),
            ),
            (
                400,
                json!({"message": "The encrypted content could not be verified.", "code": "invalid_encrypted_content"}),
                Some(Output),
            ),
            (
                404,
                json!({"message": "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false."}),
                Some(Output),
            ),
            (
                400,
                json!({"message": "Invalid schema for response_format 'answer': 'additionalProperties' is required.",
                    "param": "text.format.schema", "code": "invalid_json_schema"}),
                Some(StrictSchema),
            ),
            (400, json!({"message": "no", "param": "response_format", "code": "unsupported_parameter"}), Some(Schema)),
            (400, json!({"message": "JSON schema conversion failed"}), Some(Schema)),
            (400, json!({"message": "temperature is too high", "param": "temperature"}), None),
        ] {
            assert_eq!(read(status, &error), objection, "{status} {error}");
        }
    }
}
