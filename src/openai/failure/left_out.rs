//! A second try without the one field that the model or the server does not take. What makes up the question (model,
//! input, prompt, size) is never left out. Knows the wire names of all requests.

use serde_json::{Map, Value};

use super::complaint::Complaint;

/// A request without the field that was refused.
pub(crate) struct Reduced {
    pub fields: Map<String, Value>,
    /// The caller's name for the field; `None` where the caller did not ask for it.
    pub left_out: Option<&'static str>,
}

/// Fields that may be left out: the name on the wire and, where the caller set it, the caller's name. A schema and a
/// thread are not among them: an answer without them would be another one.
const OPTIONAL: [(&str, Option<&str>); 21] = [
    ("temperature", Some("temperature")),
    ("max_output_tokens", Some("max_tokens")),
    ("max_completion_tokens", Some("max_tokens")),
    ("max_tokens", Some("max_tokens")),
    ("reasoning.effort", Some("reasoning_effort")),
    ("reasoning_effort", Some("reasoning_effort")),
    ("text.verbosity", Some("verbosity")),
    ("verbosity", Some("verbosity")),
    ("tools", Some("web_search")),
    ("web_search_options", Some("web_search")),
    ("service_tier", Some("service_tier")),
    ("store", Some("store")),
    ("include", None),
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
pub(crate) fn reduce(mut fields: Map<String, Value>, complaint: &Complaint) -> Option<Reduced> {
    if !complaint.speaks_of_a_field() {
        return None;
    }
    let meant = OPTIONAL.into_iter().filter(|(field, _)| is_meant(field, complaint));
    let (field, left_out, value) =
        meant.into_iter().find_map(|(field, left_out)| Some((field, left_out, remove(&mut fields, field)?)))?;
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

/// Takes a field out, and the object that it was in with its last.
fn remove(fields: &mut Map<String, Value>, field: &str) -> Option<Value> {
    let Some((object, field)) = field.split_once('.') else { return fields.remove(field) };
    let inner = fields.get_mut(object)?.as_object_mut()?;
    let value = inner.remove(field);
    if inner.is_empty() {
        fields.remove(object);
    }
    value
}

/// By `param`, which may name the object around the field (`reasoning`) or something inside it (`tools[0].type`); by the
/// message where the server gives none.
fn is_meant(field: &str, complaint: &Complaint) -> bool {
    let Some(param) = &complaint.param else { return names(&complaint.message, field) };
    let mut pairs = field.split('.').zip(param.split(['.', '[']));
    pairs.all(|(field, param)| field == param)
}

/// Whether a message speaks of a field: in quotes, or by a name that is no word of any language.
fn names(message: &str, field: &str) -> bool {
    let is_quoted =
        |name: &str| ['\'', '"', '`'].iter().any(|quote| message.contains(&format!("{quote}{name}{quote}")));
    let is_part_of_a_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    is_quoted(field)
        || field.split('.').any(is_quoted)
        || field.contains(['_', '.'])
            && message.split(|c| !is_part_of_a_name(c)).any(|word| word.trim_end_matches('.') == field)
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
    fn a_field_in_an_object_takes_nothing_with_it() {
        let request = json!({"text": {"verbosity": "low", "format": {"type": "json_schema"}}, "tools": [{}]});
        let verbosity = json!({"code": "unsupported_value", "param": "text.verbosity"});
        let (left, left_out) = reduced(&request, &verbosity).unwrap();
        assert_eq!((&left["text"], left_out), (&json!({"format": {"type": "json_schema"}}), Some("verbosity")));
        assert_eq!(reduced(&left, &verbosity), None, "it is left out once");
        let format = json!({"code": "unsupported_parameter", "param": "text.format"});
        assert_eq!(reduced(&request, &format), None, "a schema is never left out");

        let request = json!({"reasoning": {"effort": "low", "summary": "auto"}});
        let effort = json!({"code": "unsupported_value", "param": "reasoning.effort"});
        assert_eq!(reduced(&request, &effort).unwrap().0, json!({"reasoning": {"summary": "auto"}}));
    }

    #[test]
    fn what_servers_say_in_words_alone() {
        for (request, error, left_out) in [
            (
                json!({"tools": [{"type": "web_search"}]}),
                json!({"message": "Hosted tool 'web_search' is not supported with m.", "param": "tools", "code": null}),
                Some("web_search"),
            ),
            (
                json!({"include": ["reasoning.encrypted_content"]}),
                json!({"message": "Encrypted content is not supported with this model.", "param": "include"}),
                None,
            ),
            (
                json!({"service_tier": "flex"}),
                json!({"message": "Unrecognized request argument supplied: service_tier"}),
                Some("service_tier"),
            ),
            (
                json!({"verbosity": "low"}),
                json!({"message": r#"[{"loc":["body","verbosity"],"msg":"Extra inputs are not permitted"}]"#}),
                Some("verbosity"),
            ),
        ] {
            assert_eq!(reduced(&request, &error), Some((json!({}), left_out)), "{error}");
        }
        let request = json!({"text": {"verbosity": "low"}, "stream": true});
        assert_eq!(reduced(&request, &json!({"message": "This model does not support text or a stream."})), None);
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
