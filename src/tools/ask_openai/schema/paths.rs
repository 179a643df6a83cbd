//! Bounds on the work of a schema: references fan out, and whoever follows each of 2^28 paths is never done. So paths
//! are counted before anything is paid for, and steps before an answer is checked; both take linear time.

use std::{collections::HashMap, iter};

use serde_json::{Map, Value};

use crate::text;

/// Paths through one place of an answer. Honest schemas have a handful.
const MOST_PATHS: u64 = 10_000;
/// References in a row that lead to one another at one place of an answer.
const LONGEST_PATH: usize = 200;
/// Steps of one check: some seconds.
const MOST_STEPS: u64 = 20_000_000;
/// Places of an answer, times the schemas that apply there.
const MOST_PAIRS: usize = 500_000;
/// Depth of schemas within schemas, over all levels of an answer: without a bound the count itself would overflow the
/// stack.
const DEEPEST: usize = 2_000;

const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];
const ANCHORS: [&str; 2] = ["$anchor", "$dynamicAnchor"];

/// The schemas that references lead to, by the places of the references.
type Targets<'a> = HashMap<*const Value, &'a Value>;

/// Bounds the paths of a schema.
///
/// # Errors
/// What there is too much of.
pub(super) fn bound(root: &Value) -> Result<(), String> {
    let mut paths = Paths { targets: targets_of(root), known: HashMap::new(), open: Vec::new() };
    for (value, schema) in objects(root) {
        // References in a part with an `$id` of its own are read against that, which the count does not follow.
        if !std::ptr::eq(value, root) && ["$id", "id"].iter().any(|name| names_itself(schema, name)) {
            return Err("a part of it has an \"$id\" of its own: refer to \"#/$defs/NAME\" instead".into());
        }
        if paths.of(value)? > MOST_PATHS {
            return Err(format!(
                "its references (\"$ref\", \"anyOf\", \"allOf\" and the like) lead through one place of an answer on \
                 more than {MOST_PATHS} paths: refer to each definition less often"
            ));
        }
    }
    Ok(())
}

/// Every object in a schema, itself included.
fn objects(root: &Value) -> impl Iterator<Item = (&Value, &Map<String, Value>)> {
    let mut left = vec![root];
    iter::from_fn(move || {
        loop {
            let value = left.pop()?;
            match value {
                Value::Object(fields) => {
                    left.extend(fields.values());
                    return Some((value, fields));
                }
                Value::Array(values) => left.extend(values),
                _ => {}
            }
        }
    })
}

/// Bounds the steps that the check of an answer takes.
///
/// # Errors
/// What there is too much of.
pub(super) fn bound_steps(root: &Value, answer: &Value) -> Result<(), String> {
    let mut steps = Steps { targets: targets_of(root), known: HashMap::new() };
    if steps.of(root, answer, 0).is_some_and(|steps| steps <= MOST_STEPS) {
        Ok(())
    } else {
        Err("the check would take too many steps; make the schema simpler".into())
    }
}

/// Counts the patterns of a schema; rather too many than too few.
pub(super) fn patterns(root: &Value) -> usize {
    let of = |fields: &Map<String, Value>| {
        let own = fields.get("pattern").is_some_and(Value::is_string);
        usize::from(own) + fields.get("patternProperties").and_then(Value::as_object).map_or(0, Map::len)
    };
    objects(root).map(|(_, fields)| of(fields)).sum()
}

/// A schema with a name that its references are read against.
fn names_itself(schema: &Map<String, Value>, name: &str) -> bool {
    let is_schema = ["type", "$ref", "properties", "anyOf", "allOf", "$defs", "definitions"];
    schema.get(name).is_some_and(Value::is_string) && is_schema.iter().any(|keyword| schema.contains_key(*keyword))
}

struct Paths<'a> {
    targets: Targets<'a>,
    known: HashMap<*const Value, u64>,
    /// The schemas between the first and this one, with how many each leads to.
    open: Vec<(*const Value, usize)>,
}

impl<'a> Paths<'a> {
    /// Counts the paths on which a check continues from here without going deeper into the answer.
    fn of(&mut self, schema: &'a Value) -> Result<u64, String> {
        let key = std::ptr::from_ref(schema);
        // Each once: so the count takes linear time, while what it counts may not.
        if let Some(known) = self.known.get(&key) {
            return Ok(*known);
        }
        if let Some(start) = self.open.iter().position(|(open, _)| *open == key) {
            // A circle without a fork ends by itself.
            let forks = self.open.iter().skip(start).any(|(_, ways)| *ways > 1);
            return if forks { Err("it refers to itself without going deeper into the answer".into()) } else { Ok(0) };
        }
        if self.open.len() >= LONGEST_PATH {
            return Err(format!("more than {LONGEST_PATH} references lead to one another: make it flatter"));
        }
        let next = at_one_place(&self.targets, schema);
        self.open.push((key, next.len()));
        let mut paths = 1_u64;
        for schema in next {
            paths = paths.saturating_add(self.of(schema)?);
        }
        self.open.pop();
        let paths = paths.saturating_mul(times(schema));
        self.known.insert(key, paths);
        Ok(paths)
    }
}

struct Steps<'a> {
    targets: Targets<'a>,
    known: HashMap<(*const Value, *const Value), u64>,
}

impl<'a> Steps<'a> {
    /// Counts the schemas that are held against this part of an answer and all within it; `None` where there are too
    /// many to count.
    fn of(&mut self, schema: &'a Value, part: &Value, depth: usize) -> Option<u64> {
        let key = (std::ptr::from_ref(schema), std::ptr::from_ref(part));
        if let Some(known) = self.known.get(&key) {
            return Some(*known);
        }
        if depth > DEEPEST || self.known.len() >= MOST_PAIRS {
            return None;
        }
        // Until it is known: a circle adds nothing.
        self.known.insert(key, 0);
        let mut steps = own(schema, part);
        if let Some(names) = schema.get("propertyNames") {
            let fields = part.as_object().map_or(0, Map::len) as u64;
            steps = steps.saturating_add(self.of(names, &Value::Null, depth + 1)?.saturating_mul(fields));
        }
        for next in at_one_place(&self.targets, schema) {
            steps = steps.saturating_add(self.of(next, part, depth + 1)?);
        }
        for (next, part) in deeper(schema, part) {
            steps = steps.saturating_add(self.of(next, part, depth + 1)?);
        }
        let steps = steps.saturating_mul(times(schema));
        self.known.insert(key, steps);
        Some(steps)
    }
}

/// Number of times that the schemas within this one are visited: a part that nothing looked at is found by looking once
/// more, and within schemas of that kind twice as often each time.
fn times(schema: &Value) -> u64 {
    let asks = ["unevaluatedProperties", "unevaluatedItems"].iter().any(|keyword| schema.get(keyword).is_some());
    if asks { 2 } else { 1 }
}

/// Counts the steps that a schema's own keywords take, the length of what they look through included.
fn own(schema: &Value, part: &Value) -> u64 {
    /// Bytes of a text that a pattern gets through in a step, and values of a list that one is compared with.
    const AT_A_STEP: usize = 8;
    let Value::Object(keywords) = schema else { return 1 };
    let steps = keywords.iter().map(|(keyword, value)| match (keyword.as_str(), value, part) {
        ("pattern", _, Value::String(text)) => text.len() / AT_A_STEP,
        ("patternProperties", Value::Object(patterns), Value::Object(fields)) => {
            let names: usize = fields.keys().map(|name| 1 + name.len() / AT_A_STEP).sum();
            patterns.len().saturating_mul(names)
        }
        ("propertyNames", _, Value::Object(fields)) => fields.keys().map(|name| name.len() / AT_A_STEP).sum(),
        ("enum", Value::Array(values), _) => values.len() / AT_A_STEP,
        ("uniqueItems", _, Value::Array(items)) => items.len(),
        _ => 0,
    });
    1 + steps.sum::<usize>() as u64
}

/// The schemas that are held against the same part of an answer.
fn at_one_place<'a>(targets: &Targets<'a>, schema: &'a Value) -> Vec<&'a Value> {
    let Value::Object(keywords) = schema else { return Vec::new() };
    let mut next = Vec::new();
    for (keyword, value) in keywords {
        match (keyword.as_str(), value) {
            (reference, Value::String(_)) if REFERENCES.contains(&reference) => {
                next.extend(targets.get(&std::ptr::from_ref(value)).copied());
            }
            ("anyOf" | "allOf" | "oneOf", Value::Array(schemas)) => next.extend(schemas),
            ("not" | "if" | "then" | "else", schema) => next.push(schema),
            ("dependentSchemas" | "dependencies", Value::Object(schemas)) => next.extend(schemas.values()),
            _ => {}
        }
    }
    next
}

/// The schemas that are held against parts of a part, with those; rather too many than too few.
fn deeper<'a, 'b>(schema: &'a Value, part: &'b Value) -> Vec<(&'a Value, &'b Value)> {
    let Value::Object(keywords) = schema else { return Vec::new() };
    let mut next = Vec::new();
    for (keyword, value) in keywords {
        match (keyword.as_str(), value, part) {
            ("properties", Value::Object(schemas), Value::Object(fields)) => {
                next.extend(schemas.iter().filter_map(|(name, schema)| Some((schema, fields.get(name)?))));
            }
            ("patternProperties", Value::Object(schemas), Value::Object(fields)) => {
                next.extend(schemas.values().flat_map(|schema| fields.values().map(move |field| (schema, field))));
            }
            ("additionalProperties" | "unevaluatedProperties", schema, Value::Object(fields)) => {
                next.extend(fields.values().map(|field| (schema, field)));
            }
            ("prefixItems" | "items", Value::Array(schemas), Value::Array(items)) => {
                next.extend(schemas.iter().zip(items));
            }
            ("items" | "additionalItems" | "contains" | "unevaluatedItems", schema, Value::Array(items)) => {
                next.extend(items.iter().map(|item| (schema, item)));
            }
            _ => {}
        }
    }
    next
}

/// Follows each reference of a schema once: a step that looked for its anchor would take as long as the schema.
fn targets_of(root: &Value) -> Targets<'_> {
    let mut anchors = HashMap::new();
    for (value, fields) in objects(root) {
        for anchor in ANCHORS.into_iter().filter_map(|name| fields.get(name)?.as_str()) {
            anchors.entry(anchor).or_insert(value);
        }
    }
    let mut targets = HashMap::new();
    for (_, fields) in objects(root) {
        for reference in REFERENCES.into_iter().filter_map(|name| fields.get(name)) {
            if let Some(target) = reference.as_str().and_then(|to| resolved(root, &anchors, to)) {
                targets.insert(std::ptr::from_ref(reference), target);
            }
        }
    }
    targets
}

/// Follows a reference within the schema; nothing for one to the outside, which is refused elsewhere.
fn resolved<'a>(root: &'a Value, anchors: &HashMap<&str, &'a Value>, reference: &str) -> Option<&'a Value> {
    let base = root.get("$id").and_then(Value::as_str).unwrap_or_default();
    let (place, fragment) = reference.split_once('#').unwrap_or((reference, ""));
    if !place.is_empty() && place != base.trim_end_matches('#') {
        return None;
    }
    let fragment = text::percent_decoded(fragment);
    if fragment.is_empty() || fragment.starts_with('/') {
        root.pointer(&fragment)
    } else {
        anchors.get(fragment.as_str()).copied()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Each definition refers twice to the next.
    fn fan(keyword: &str, levels: usize) -> Value {
        let definitions: Map<String, Value> = (0..levels)
            .map(|level| {
                let next = json!({ "$ref": format!("#/$defs/d{}", level + 1) });
                (format!("d{level}"), json!({ keyword: [next, next] }))
            })
            .chain([(format!("d{levels}"), json!({ "type": "object" }))])
            .collect();
        json!({ "type": "object", "$ref": "#/$defs/d0", "$defs": definitions })
    }

    #[test]
    fn paths_are_counted_in_no_time() {
        for keyword in ["anyOf", "allOf", "oneOf"] {
            assert!(bound(&fan(keyword, 28)).unwrap_err().contains("10000 paths"), "{keyword}");
            assert_eq!(bound(&fan(keyword, 10)), Ok(()), "{keyword}");
        }
        let tree = json!({ "type": "object", "properties": { "left": { "$ref": "#" }, "right": { "$ref": "#" } } });
        assert_eq!(bound(&tree), Ok(()), "a tree goes deeper each time");
        let endless = json!({ "type": "object", "allOf": [{ "$ref": "#" }, { "$ref": "#" }] });
        assert!(bound(&endless).unwrap_err().contains("refers to itself"));
    }

    #[test]
    fn steps_grow_with_the_answer_and_are_counted_in_no_time() {
        // Each level of the answer is checked on two paths, each of which checks the next on two.
        let schema = json!({
            "type": "object", "$defs": { "n": { "anyOf": [
                { "properties": { "a": { "$ref": "#/$defs/n" } } }, { "properties": { "a": { "$ref": "#/$defs/n" } } }
            ] } },
            "$ref": "#/$defs/n"
        });
        assert_eq!(bound(&schema), Ok(()));
        let nested = |levels: usize| (0..levels).fold(json!({}), |inside, _| json!({ "a": inside }));
        assert_eq!(bound_steps(&schema, &nested(10)), Ok(()));
        assert!(bound_steps(&schema, &nested(60)).unwrap_err().contains("too many steps"));
    }

    /// Each level of it is gone through twice as often as the one around it.
    fn unevaluated(levels: usize) -> Value {
        let innermost = json!({ "type": "object", "properties": { "a": true } });
        (0..levels).fold(
            innermost,
            |inside, _| json!({ "type": "object", "allOf": [inside], "unevaluatedProperties": { "type": "integer" } }),
        )
    }

    #[test]
    fn what_looks_for_the_unevaluated_is_gone_through_once_more() {
        assert_eq!(bound(&unevaluated(5)), Ok(()));
        assert!(bound(&unevaluated(20)).unwrap_err().contains("10000 paths"));
        let deeper = json!({ "type": "object", "$ref": "#/$defs/n", "$defs": { "n": {
            "properties": { "a": { "$ref": "#/$defs/n" } }, "unevaluatedProperties": false
        } } });
        let nested = |levels: usize| (0..levels).fold(json!({}), |inside, _| json!({ "a": inside }));
        assert_eq!((bound(&deeper), bound_steps(&deeper, &nested(10))), (Ok(()), Ok(())));
        assert!(bound_steps(&deeper, &nested(60)).unwrap_err().contains("too many steps"));
    }

    #[test]
    fn the_length_of_what_patterns_look_through_counts() {
        let patterns: Map<String, Value> = (0..800).map(|number| (format!("^{number}x$"), json!(true))).collect();
        let schema = json!({ "type": "object", "patternProperties": patterns });
        let answer = |length: usize| {
            Value::Object((0..500).map(|number| (format!("{number}{}", "a".repeat(length)), json!(1))).collect())
        };
        assert_eq!(bound_steps(&schema, &answer(10)), Ok(()));
        assert!(bound_steps(&schema, &answer(20_000)).unwrap_err().contains("too many steps"));
        let schema = json!({ "type": "object", "propertyNames": { "pattern": "^x$" } });
        assert!(bound_steps(&schema, &answer(500_000)).unwrap_err().contains("too many steps"));
    }
}
