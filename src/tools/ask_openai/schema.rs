//! The schema that an answer is asked to fit: checked before anything is paid for, and the answer held to it when it is
//! there. Nothing is fetched for it, and no pattern takes more than linear time.

use std::{sync::Arc, time::Duration};

use jsonschema::{PatternOptions, ReferencingError, ValidationError, Validator, error::ValidationErrorKind};
use serde_json::{Map, Value, json};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use crate::{openai::AnswerFormat, text, tools::ToolError};

mod paths;
mod strict;

/// The longest schema, as JSON in bytes: it is sent with the question, and read by the model as part of it.
const LONGEST: usize = 100_000;
/// Bytes of one compiled pattern, and of all in a schema together: two thousand large ones took gigabytes.
const LARGEST_PATTERN: usize = 1 << 20;
const ALL_PATTERNS: usize = 16 << 20;
/// Patterns that may be left unchecked: each is found by compiling the schema once more.
const MOST_UNCHECKED: usize = 100;
/// Checks at a time, of all calls: each takes a thread, and memory.
const PLACES: usize = 2;
/// Objects of one answer that are tried: prose may be full of braces.
const MOST_OBJECTS: usize = 100;
/// Time for a check: a bounded schema takes seconds at most, an honest one milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs checks, few at a time. Each keeps its place until it ends, also when nobody waits for it any more; that it ends
/// is held by a budget of steps (`paths`).
#[derive(Debug, Clone)]
pub struct SchemaChecks(Arc<Semaphore>);

/// A schema that can be asked for.
#[derive(Debug, Clone)]
pub(super) struct CheckedSchema {
    checks: SchemaChecks,
    form: AnswerFormat,
    /// With every keyword, to count the steps of a check.
    whole: Arc<Value>,
    validator: Arc<Validator>,
    /// Parts of it that cannot be checked here, for the person.
    pub(super) warnings: Vec<String>,
}

impl SchemaChecks {
    /// Makes the places; nothing is checked yet.
    #[must_use]
    pub fn build() -> Self {
        Self(Arc::new(Semaphore::new(PLACES)))
    }

    /// Works off the async threads, for as long as anybody would wait.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
        let places = self.0.clone();
        let worked = async {
            let place = places.acquire_owned().await;
            // The place goes into the thread: time may be up out here, but nothing stops the check in there.
            spawn_blocking(move || {
                let _place = place;
                work()
            })
            .await
        };
        match timeout(PATIENCE, worked).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(_)) => Err("the check broke off; the log says more".into()),
            Err(_) => Err(format!("the check took longer than {}; make the schema simpler", text::duration(PATIENCE))),
        }
    }
}

impl CheckedSchema {
    /// Checks and compiles a schema, where it holds up nobody.
    ///
    /// # Errors
    /// [`ToolError::InvalidArgument`] with the place in the schema and what is wrong there.
    pub(super) async fn compile(schema: Map<String, Value>, checks: &SchemaChecks) -> Result<Self, ToolError> {
        let places = checks.clone();
        let compiled = checks.run(move || Self::compile_now(schema, places)).await;
        let compiled = compiled.unwrap_or_else(|why| Err(format!("it could not be checked: {why}")));
        compiled.map_err(|why| ToolError::InvalidArgument(format!("`schema` cannot be used: {why}")))
    }

    fn compile_now(schema: Map<String, Value>, checks: SchemaChecks) -> Result<Self, String> {
        if schema.get("type").is_none_or(|root| root != "object") {
            return Err("its root must have \"type\": \"object\"; put anything else into a property of it".into());
        }
        let schema = Value::Object(schema);
        let length = schema.to_string().len();
        if length > LONGEST {
            return Err(format!("it is {length} bytes long: at most {LONGEST}"));
        }
        paths::bound(&schema)?;
        let largest = LARGEST_PATTERN.min(ALL_PATTERNS / paths::patterns(&schema).max(1));
        let patterns = PatternOptions::regex().size_limit(largest);
        // Offline: a schema comes from a model, and must not have this server fetch addresses. The plain engine: the
        // default one backtracks, and a pattern could keep it busy for ever.
        // Formats, too: left alone they are no more than notes.
        // <https://json-schema.org/draft/2020-12/json-schema-validation#section-7.2.1>
        let options = jsonschema::options().offline().with_pattern_options(patterns).should_validate_formats(true);
        // The whole schema is sent all the same: the upstream may hold the answer to what is not checked here.
        let (mut held, mut warnings) = (schema.clone(), Vec::new());
        let validator = loop {
            match options.build(&held) {
                Ok(validator) => break validator,
                Err(error) => {
                    let (place, why) = unmatched(&error).ok_or_else(|| explained(&error))?;
                    let pattern = drop_pattern(&mut held, &place).ok_or_else(|| explained(&error))?;
                    if warnings.len() == MOST_UNCHECKED {
                        return Err(format!(
                            "more than {MOST_UNCHECKED} of its patterns cannot be checked: {place} {why}"
                        ));
                    }
                    warnings.push(format!(
                        "The pattern at {} ({}) is asked for, but not checked here: it {why}.",
                        text::brief(&place, 200),
                        text::brief(&pattern, 80)
                    ));
                }
            }
        };
        let whole = Arc::new(schema.clone());
        let Value::Object(schema) = schema else { return Err("it is not an object".into()) };
        // In the order in which it came: models write an object so, and reason before they answer only where it
        // says so.
        let form = AnswerFormat { strict: strict::of(&schema), schema };
        Ok(Self { checks, form, whole, validator: Arc::new(validator), warnings })
    }

    /// The schema in the form that the upstream takes.
    pub(super) fn form(&self) -> AnswerFormat {
        self.form.clone()
    }

    /// The answer as data, or why it is not what was asked for.
    pub(super) async fn value(&self, answer: &str) -> Result<Map<String, Value>, String> {
        let (whole, validator, answer) = (self.whole.clone(), self.validator.clone(), answer.to_owned());
        let read = self.checks.run(move || {
            let mut why = String::new();
            // The last first: drafts and examples stand before the answer.
            for value in values(&answer)?.into_iter().rev() {
                paths::bound_steps(&whole, &value)?;
                match (validator.validate(&value).map_err(|error| explained(&error)), value) {
                    (Ok(()), Value::Object(fields)) => return Ok(fields),
                    (Ok(()), _) => why = "it is not an object".into(),
                    (Err(misfit), _) => why = misfit,
                }
            }
            Err(why)
        });
        read.await.unwrap_or_else(|why| Err(format!("it could not be checked: {why}")))
    }
}

/// The JSON that an answer is, or the objects that stand in it: some models put their thoughts, prose, fences or the
/// tokens of their template around it.
///
/// # Errors
/// When there is none, or one is broken.
fn values(answer: &str) -> Result<Vec<Value>, String> {
    let no_json = |error: &serde_json::Error| format!("it is not JSON ({error})");
    let error = match serde_json::from_str(answer.trim()) {
        // JSON as a text of JSON, and a list of one.
        Ok(Value::String(text)) if text.contains('{') => return values(&text),
        Ok(Value::Array(list)) if matches!(list.as_slice(), [Value::Object(_)]) => return Ok(list),
        Ok(value) => return Ok(vec![value]),
        Err(error) => error,
    };
    let (mut found, mut rest) = (Vec::new(), text::behind_thoughts(answer));
    let object = rest.find('{').zip(rest.rfind('}')).and_then(|(start, end)| rest.get(start..=end));
    if let Some(value) = object.and_then(|object| serde_json::from_str(&text::relax(object)).ok()) {
        return Ok(vec![value]);
    }
    for _ in 0..MOST_OBJECTS {
        let Some((_, object)) = rest.find('{').and_then(|start| rest.split_at_checked(start)) else { break };
        let mut values = serde_json::Deserializer::from_str(object).into_iter();
        let length = match values.next() {
            Some(Ok(value)) => {
                found.push(value);
                values.byte_offset()
            }
            // The rest of an answer that was cut off is no answer.
            Some(Err(error)) if error.is_eof() => return Err(no_json(&error)),
            // Prose has braces, too. What stands in a broken object is not looked at.
            Some(Err(error)) => offset(object, &error).max(1),
            None => break,
        };
        rest = object.get(length..).unwrap_or_default();
    }
    if found.is_empty() { Err(no_json(&error)) } else { Ok(found) }
}

/// Bytes before the place of an error in a text.
fn offset(text: &str, error: &serde_json::Error) -> usize {
    let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len);
    let offset = lines.sum::<usize>() + error.column().saturating_sub(1);
    text.floor_char_boundary(offset)
}

/// Finds a pattern that other engines match and this one does not, and says why: in linear time there is no look-around
/// and no back-reference, and a count of repetitions is paid for in memory.
fn unmatched(error: &ValidationError<'_>) -> Option<(String, &'static str)> {
    const BEYOND: [&str; 5] = ["(?=", "(?!", "(?<=", "(?<!", "\\k<"];
    let is_pattern = matches!(error.kind(), ValidationErrorKind::Format { format } if format == "regex");
    let pattern = error.instance().as_str().unwrap_or_default();
    let refers_back = pattern.as_bytes().windows(2).any(|two| matches!(two, [b'\\', b'1'..=b'9']));
    let place = error.instance_path().as_str();
    let is_beyond = refers_back || BEYOND.iter().any(|group| pattern.contains(group));
    let mut names = place.rsplit('/');
    let can_go = names.next() == Some("pattern") || names.next() == Some("patternProperties");
    let why = match () {
        () if !is_pattern || !can_go => return None,
        () if is_beyond => "needs look-around or back-references",
        () if is_large(pattern) => "is too large",
        () => return None,
    };
    Some((place.to_owned(), why))
}

/// Returns whether a pattern is valid but too large: with fewer repetitions and all the memory that one may take, it
/// compiles.
fn is_large(pattern: &str) -> bool {
    let mut small = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((before, counted)) = rest.split_once('{') {
        let (count, after) = counted.split_once('}').unwrap_or(("", ""));
        let is_count = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit() || byte == b',');
        small.push_str(before);
        small.push(if is_count { '+' } else { '{' });
        rest = if is_count { after } else { counted };
    }
    small.push_str(rest);
    let patterns = PatternOptions::regex().size_limit(LARGEST_PATTERN);
    jsonschema::options().with_pattern_options(patterns).build(&json!({ "pattern": small })).is_ok()
}

/// Takes the pattern at this place out of a schema: a word of it, or the name of properties.
fn drop_pattern(schema: &mut Value, place: &str) -> Option<String> {
    let (around, name) = place.rsplit_once('/')?;
    let name = name.replace("~1", "/").replace("~0", "~");
    let dropped = schema.pointer_mut(around)?.as_object_mut()?.shift_remove(&name)?;
    let Some(holder) = around.strip_suffix("/patternProperties").filter(|_| name != "pattern") else {
        return dropped.as_str().map(str::to_owned);
    };
    // Properties of that name are no longer known, and may be what they like.
    schema.pointer_mut(holder)?.as_object_mut()?.shift_remove("additionalProperties");
    Some(name)
}

/// Names the place and the fault. Both may quote the schema and the answer.
fn explained(error: &ValidationError<'_>) -> String {
    let place = match error.instance_path().as_str() {
        "" => String::new(),
        path => format!("at {}: ", text::brief(path, 200)),
    };
    let what = match error.kind() {
        ValidationErrorKind::Format { format } if format == "regex" => {
            format!("{} is not a pattern that is matched here (it is broken, or too large)", error.instance())
        }
        ValidationErrorKind::Referencing(ReferencingError::UnknownSpecification { specification }) => {
            format!("its \"$schema\" {specification} is not known here: leave it out")
        }
        ValidationErrorKind::Referencing(ReferencingError::Unretrievable { uri, .. }) => {
            format!("it refers to {uri}, and nothing is fetched: put what is there into \"$defs\"")
        }
        _ => error.to_string(),
    };
    format!("{place}{}", text::brief(&what, 400))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema(schema: Value) -> Map<String, Value> {
        serde_json::from_value(schema).unwrap()
    }

    async fn compile(schema: Map<String, Value>) -> Result<CheckedSchema, ToolError> {
        CheckedSchema::compile(schema, &SchemaChecks::build()).await
    }

    #[tokio::test]
    async fn endless_references_end() {
        let endless = [
            json!({ "type": "object", "allOf": [{ "$ref": "#" }] }),
            json!({
                "type": "object", "$ref": "#/$defs/a",
                "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } },
            }),
        ];
        for schema in endless.map(schema) {
            let schema = compile(schema).await.unwrap();
            assert_eq!(schema.value("{}").await.unwrap(), Map::new());
        }
    }

    #[tokio::test]
    async fn json_in_a_fence_is_json() {
        let schema = compile(schema(json!({ "type": "object", "required": ["a"] }))).await.unwrap();
        for answer in ["{\"a\":1}", "```json\n{\"a\":1}\n```", "\n```\n{\n\"a\": 1 }\n```\n"] {
            assert_eq!(schema.value(answer).await.unwrap()["a"], 1, "{answer}");
        }
        for answer in ["```", "``````", "```json\n```", "{\"b\": {\"a\":1}, \"c\"", "{\"b\": {\"a\":1}, \"c\"}"] {
            assert!(schema.value(answer).await.unwrap_err().starts_with("it is not JSON"), "{answer}");
        }
        let misfit = schema.value("{\"b\":1} or {\"c\":2}").await.unwrap_err();
        assert!(misfit.contains("required"), "{misfit}");
    }

    #[tokio::test]
    async fn many_patterns_share_the_memory_of_a_few() {
        let patterns = |count: usize, pattern: &str| {
            let fields = (0..count).map(|field| (format!("f{field}"), json!({ "pattern": pattern })));
            schema(json!({ "type": "object", "properties": fields.collect::<Map<_, _>>() }))
        };
        assert!(compile(patterns(300, "^[A-Za-z0-9._-]{1,64}@[a-z.-]+$")).await.is_ok());
        let error = compile(patterns(2_000, r"\w{99}")).await.unwrap_err().to_string();
        assert!(error.contains("too large"), "{error}");
    }

    #[tokio::test]
    async fn two_checks_run_at_a_time_and_one_that_nobody_waits_for_keeps_its_place() {
        let checks = SchemaChecks::build();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let held = Arc::new(std::sync::Mutex::new(held));
        for _ in 0..PLACES {
            let held = held.clone();
            let waited = checks.run(move || held.lock().unwrap().recv());
            assert!(timeout(Duration::from_millis(20), waited).await.is_err());
        }
        let third = checks.run(|| ());
        tokio::pin!(third);
        assert!(timeout(Duration::from_millis(20), &mut third).await.is_err());
        release.send(()).unwrap();
        assert_eq!(third.await, Ok(()));
        release.send(()).unwrap();
    }

    #[tokio::test]
    async fn a_pattern_that_is_too_large_is_not_checked_and_a_broken_one_is_refused() {
        let with = |pattern: &str| schema(json!({ "type": "object", "properties": { "a": { "pattern": pattern } } }));
        for large in ["^(?:a{1000}){1000}$", r"^(\p{L}{500}){1,500}$", r"((\w{100}){100}){100}"] {
            let schema = compile(with(large)).await.unwrap();
            assert!(schema.warnings[0].ends_with("is asked for, but not checked here: it is too large."), "{large}");
            assert_eq!(schema.value(r#"{"a":"b"}"#).await.unwrap()["a"], "b");
        }
        for broken in ["(a{1000}", "[a-", "a{1000}){1000}"] {
            let error = compile(with(broken)).await.unwrap_err().to_string();
            assert!(error.contains("is not a pattern"), "{broken}: {error}");
        }
    }

    #[tokio::test]
    async fn a_pattern_takes_linear_time() {
        let schema = schema(json!({ "type": "object", "properties": { "a": { "pattern": "^(a+)+$" } } }));
        let schema = compile(schema).await.unwrap();
        let answer = json!({ "a": format!("{}!", "a".repeat(100_000)) }).to_string();
        let why = schema.value(&answer).await.unwrap_err();
        assert!(why.starts_with("at /a: ") && why.chars().count() < 500, "{why}");
    }
}
