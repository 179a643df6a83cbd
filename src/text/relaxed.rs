//! JSON as JavaScript and Python write it, and small models with them: names without quotes or in single ones, a comma
//! after the last, `True` and `None`.

/// Rewrites it as JSON. What is neither stays so. Linear.
#[must_use]
pub fn relax(json: &str) -> String {
    let mut relaxed = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(next) = rest.chars().next() {
        let length = match next {
            '"' | '\'' => text(rest, next, &mut relaxed),
            ',' if rest.get(1..).is_some_and(|rest| rest.trim_start().starts_with(['}', ']'])) => 1,
            letter if letter.is_alphabetic() || matches!(letter, '_' | '$') => word(rest, &mut relaxed),
            other => {
                relaxed.push(other);
                other.len_utf8()
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    relaxed
}

/// Writes the text at the beginning in double quotes, and returns its length.
fn text(json: &str, quote: char, relaxed: &mut String) -> usize {
    relaxed.push('"');
    let mut characters = json.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some((_, '\'')) => relaxed.push('\''),
                Some((_, escaped)) => relaxed.extend(['\\', escaped]),
                None => {}
            },
            end if end == quote => {
                relaxed.push('"');
                return at + 1;
            }
            '"' => relaxed.push_str("\\\""),
            other => relaxed.push(other),
        }
    }
    json.len()
}

/// Writes the word at the beginning, as a name where a colon follows, and returns its length.
fn word(json: &str, relaxed: &mut String) -> usize {
    let length = json.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '$' | '-'))).unwrap_or(json.len());
    let (word, rest) = json.split_at(length);
    match word {
        name if rest.trim_start().starts_with(':') => relaxed.extend(["\"", name, "\""]),
        "True" => relaxed.push_str("true"),
        "False" => relaxed.push_str("false"),
        "None" => relaxed.push_str("null"),
        other => relaxed.push_str(other),
    }
    length
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_is_nearly_json_becomes_json() {
        for (nearly, value) in [
            (r#"{"a":1,}"#, json!({ "a": 1 })),
            ("{a: 1, b_2: [1, 2, ], }", json!({ "a": 1, "b_2": [1, 2] })),
            (r#"{'a': 'it\'s "b"', 'c': None, 'd': True}"#, json!({ "a": "it's \"b\"", "c": null, "d": true })),
            (r#"{"a": "x: 1, ]", "b": -1.5e10}"#, json!({ "a": "x: 1, ]", "b": -1.5e10 })),
        ] {
            assert_eq!(serde_json::from_str::<Value>(&relax(nearly)).unwrap(), value, "{nearly}");
        }
        for none in ["{a}", "{\"a\":1", "Say {a: 1} or {b: 2}."] {
            assert!(serde_json::from_str::<Value>(&relax(none)).is_err(), "{none}");
        }
    }
}
