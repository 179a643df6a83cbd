//! A second try without the one field that the model or the server does not take. What makes up the question (model,
//! input, prompt, size) is never left out. Knows the wire names of all requests.

use serde_json::{Map, Value};

use super::complaint::Complaint;

/// A request without the field that was refused.
pub(super) struct Reduced {
    pub fields: Map<String, Value>,
    /// The caller's name for the field; `None` where the caller did not ask for it.
    pub left_out: Option<&'static str>,
}

/// Fields that may be left out: the name on the wire and, where the caller set it, the caller's name.
const OPTIONAL: [(&str, Option<&str>); 16] = [
    ("temperature", Some("temperature")),
    ("max_output_tokens", Some("max_tokens")),
    ("max_completion_tokens", Some("max_tokens")),
    ("max_tokens", Some("max_tokens")),
    ("reasoning", Some("reasoning_effort")),
    ("reasoning_effort", Some("reasoning_effort")),
    ("text", Some("verbosity")),
    ("verbosity", Some("verbosity")),
    ("quality", Some("quality")),
    ("background", Some("background")),
    ("output_format", Some("output_format")),
    ("output_compression", Some("output_compression")),
    ("moderation", Some("moderation")),
    ("stream_options", None),
    ("partial_images", None),
    ("stream", None),
];

/// The request without what `complaint` is about; `None` when it is about nothing that may be left out.
pub(super) fn reduce(mut fields: Map<String, Value>, complaint: &Complaint) -> Option<Reduced> {
    if !complaint.speaks_of_a_field() {
        return None;
    }
    let (field, left_out) =
        OPTIONAL.into_iter().find(|(field, _)| is_meant(field, complaint) && fields.contains_key(*field))?;
    let value = fields.remove(field)?;
    let left_out = match field {
        // The older name of the same thing, which must not be lost: it bounds the cost.
        "max_tokens" => {
            fields.insert("max_completion_tokens".to_owned(), value);
            None
        }
        "stream" => {
            fields.remove("stream_options");
            fields.remove("partial_images");
            None
        }
        _ => left_out,
    };
    Some(Reduced { fields, left_out })
}

/// By `param` (`reasoning.effort` means `reasoning`), or quoted in the message where the server gives no param.
fn is_meant(field: &str, complaint: &Complaint) -> bool {
    match &complaint.param {
        Some(param) => param.split(['.', '[']).next() == Some(field),
        None => ['\'', '"', '`'].iter().any(|quote| complaint.message.contains(&format!("{quote}{field}{quote}"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reduced(request: &Value, error: &Value) -> Option<(Value, Option<&'static str>)> {
        let complaint = Complaint::of_error(error)?;
        let reduced = reduce(request.as_object()?.clone(), &complaint)?;
        Some((Value::Object(reduced.fields), reduced.left_out))
    }

    #[test]
    fn the_field_that_is_refused_is_left_out_and_named_as_the_caller_knows_it() {
        let request = json!({"model": "m", "temperature": 1, "reasoning": {"effort": "low"}});
        assert_eq!(
            reduced(&request, &json!({"code": "unsupported_value", "param": "reasoning.effort"})),
            Some((json!({"model": "m", "temperature": 1}), Some("reasoning_effort")))
        );
        assert_eq!(
            reduced(&request, &json!({"code": "unsupported_parameter", "message": "'temperature' is not supported"})),
            Some((json!({"model": "m", "reasoning": {"effort": "low"}}), Some("temperature")))
        );
    }

    #[test]
    fn what_makes_up_the_question_is_never_left_out() {
        let request = json!({"model": "m", "prompt": "p", "size": "7x7"});
        for param in ["model", "prompt", "size", "temperature", "nonsense"] {
            assert_eq!(reduced(&request, &json!({"code": "unsupported_value", "param": param})), None);
        }
        assert_eq!(
            reduced(&json!({"temperature": 1}), &json!({"code": "invalid_value", "param": "temperature"})),
            None
        );
    }

    #[test]
    fn a_bound_on_the_cost_is_renamed_before_it_is_left_out() {
        let older = json!({"code": "unsupported_parameter", "param": "max_tokens"});
        let newer = json!({"code": "unsupported_parameter", "param": "max_completion_tokens"});
        let (renamed, left_out) = reduced(&json!({"max_tokens": 9}), &older).unwrap();
        assert_eq!((&renamed, left_out), (&json!({"max_completion_tokens": 9}), None));
        assert_eq!(reduced(&renamed, &newer), Some((json!({}), Some("max_tokens"))));
    }

    #[test]
    fn a_model_that_may_not_be_streamed_is_asked_whole() {
        let request = json!({"model": "m", "stream": true, "stream_options": {"include_usage": true}});
        let refused = json!({"code": "unsupported_value", "param": "stream"});
        assert_eq!(reduced(&request, &refused), Some((json!({"model": "m"}), None)));

        let request = json!({"model": "m", "stream": true, "partial_images": 2});
        let refused = json!({"code": "unknown_parameter", "param": "partial_images"});
        assert_eq!(reduced(&request, &refused), Some((json!({"model": "m", "stream": true}), None)));
    }
}
