//! A second try without the one field that the model or the server does not take. What makes up the question (model,
//! input, prompt, size) is never left out. Knows the wire names of all requests.

use serde_json::{Map, Value};

use super::complaint::Complaint;
use crate::{
    argument::{self, FieldOrigin, WhenRefused},
    openai::known::{self, ErrorMeaning},
};

/// The part that a second attempt leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OmittedPart {
    /// An argument, by the caller's name.
    Argument(&'static str),
    /// A field that no argument stands for.
    Field(argument::Field),
}

impl OmittedPart {
    /// The name by which the caller knows it, where one asked for it.
    pub(crate) fn named(self) -> Option<String> {
        match self {
            Self::Argument(name) => Some(name.to_owned()),
            Self::Field(field) => (field.asked == FieldOrigin::BySetting).then(|| field.name.to_owned()),
        }
    }

    /// The field that no argument stands for.
    pub(crate) fn field(self) -> Option<String> {
        match self {
            Self::Argument(_) => None,
            Self::Field(field) => Some(field.name.to_owned()),
        }
    }
}

/// All fields that may be left out.
fn optional() -> impl Iterator<Item = (&'static str, OmittedPart)> {
    let arguments = argument::ARGUMENTS.into_iter().filter(|argument| argument.refused == WhenRefused::Learnt);
    let of_arguments = arguments
        .flat_map(|argument| argument.fields.iter().map(move |field| (*field, OmittedPart::Argument(argument.name))));
    of_arguments.chain(argument::FIELDS.into_iter().map(|field| (field.name, OmittedPart::Field(field))))
}

/// The request without fields that were refused before.
pub(crate) fn drop_fields(fields: &mut Map<String, Value>, refused: &[String]) {
    for field in refused {
        // Only those that no argument stands for: an argument that was refused before is left out by the tools, which
        // know the value that it was refused with.
        if let Some(field) = argument::field(field)
            && remove(fields, field.name).is_some()
            && field.name == "stream"
        {
            drop_companions(fields);
        }
    }
}

/// Takes out what is refused where nothing is streamed. OpenAI takes neither without `stream`.
/// <https://platform.openai.com/docs/api-reference/chat/create>
fn drop_companions(fields: &mut Map<String, Value>) {
    fields.remove("stream_options");
    fields.remove("partial_images");
}

/// The request without what `complaint` is about, and what that is; `None` when it is about nothing that may be left
/// out.
pub(crate) fn reduce(
    mut fields: Map<String, Value>,
    complaint: &Complaint,
) -> Option<(Map<String, Value>, Option<OmittedPart>)> {
    // A value that is wrong is the caller's to correct: without it the answer would be to another question.
    if !complaint.speaks_of_a_field() {
        return None;
    }
    let quirk = known::meaning(&complaint.code, &complaint.message.to_ascii_lowercase());
    let is_refused = |without: &OmittedPart| matches!((quirk, without), (Some(ErrorMeaning::Refuses(refused)), OmittedPart::Argument(name)) if refused == *name);
    // One a try: servers name the first field that they do not take, and may take the others.
    let mut meant = optional().filter(|(field, without)| is_refused(without) || is_meant(field, complaint));
    let (field, without, value) =
        meant.find_map(|(field, without)| Some((field, without, remove(&mut fields, field)?)))?;
    let without = match field {
        // The older name of the same thing, which must not be lost: it bounds the cost.
        "max_tokens" => {
            fields.insert("max_completion_tokens".to_owned(), value);
            None
        }
        "stream" => {
            drop_companions(&mut fields);
            Some(without)
        }
        _ => Some(without),
    };
    Some((fields, without))
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

/// By `param`, which may name the object around the field (`reasoning`) or something inside it (`tools[0].type`); by
/// the message where the server gives none.
fn is_meant(field: &str, complaint: &Complaint) -> bool {
    let Some(param) = &complaint.param else { return names(&complaint.message, field) };
    let mut pairs = field.split('.').zip(param.split(['.', '[']));
    pairs.all(|(field, param)| field == param)
}

/// Words before the name of a field, and behind it.
const INTRODUCE: [&str; 7] = ["supplied", "parameter", "parameters", "argument", "property", "field", "option"];
const FOLLOW: [&str; 4] = ["parameter", "argument", "property", "is"];

/// Returns whether a message speaks of a field: in quotes, by a name that is no ordinary word, or beside a word
/// that says so (`Unsupported parameter: temperature`).
fn names(message: &str, field: &str) -> bool {
    let is_quoted =
        |name: &str| ['\'', '"', '`'].iter().any(|quote| message.contains(&format!("{quote}{name}{quote}")));
    let is_part_of_a_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    let names: Vec<&str> = message
        .split(|c| !is_part_of_a_name(c))
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| !word.is_empty())
        .collect();
    let is_introduced = |pair: &[&str]| matches!(pair, [one, other] if *other == field && INTRODUCE.contains(one) || *one == field && FOLLOW.contains(other));
    // As pydantic places its complaints: `temperature: Extra inputs are not permitted`.
    let is_placed = message.strip_prefix(field).is_some_and(|rest| rest.starts_with(':'));
    is_placed
        || is_quoted(field)
        || field.split('.').any(is_quoted)
        || field.contains(['_', '.']) && names.contains(&field)
        || names.windows(2).any(is_introduced)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reduced(request: &Value, error: &Value) -> Option<(Value, Option<&'static str>)> {
        let complaint = Complaint::of_error(error)?;
        let (fields, without) = reduce(request.as_object()?.clone(), &complaint)?;
        let left_out = without.and_then(|without| match without {
            OmittedPart::Argument(name)
            | OmittedPart::Field(argument::Field { name, asked: argument::FieldOrigin::BySetting }) => Some(name),
            OmittedPart::Field(_) => None,
        });
        Some((Value::Object(fields), left_out))
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
