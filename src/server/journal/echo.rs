//! An upstream's words for the log, without the caller's: some servers repeat what they were sent.

use std::{collections::HashSet, ops::Range};

use rmcp::model::JsonObject;
use serde_json::Value;

use crate::{argument, text};

/// Words in a row that are the caller's own where they stand so in an argument. Fewer may stand in any error by chance,
/// and a reason full of gaps would be of no use to whoever reads the log.
const ROW: usize = 3;
/// A quotation of more words is a sentence of the caller's, and not a name or a value.
const QUOTED: usize = 4;
/// The longest line, in characters.
const LONGEST: usize = 300;
/// Stands for what was taken out.
const GAP: &str = "[...]";

/// Returns whether all that was sent stands in the arguments: files and earlier turns do not.
pub(super) fn is_all_known(arguments: &JsonObject) -> bool {
    !["attachments", "conversation"].iter().any(|name| arguments.get(*name).is_some_and(is_given))
}

/// An upstream's words in one line, without those of the arguments and without long quotations.
pub(super) fn without(said: &str, arguments: &JsonObject) -> String {
    // Cut before it is searched: an upstream may echo megabytes.
    let said = text::brief(&text::escape(said), LONGEST);
    let said = unquoted(&said);
    let words = words(&said);
    let lowered: Vec<_> = words.iter().map(|word| lower(&said, word)).collect();
    let rows: HashSet<_> = (1..=ROW).flat_map(|length| lowered.windows(length)).map(<[String]>::to_vec).collect();
    let mut own: HashSet<Vec<String>> = HashSet::new();
    for (name, value) in arguments.iter().filter(|(name, _)| is_free(name)) {
        // Short texts of a schema are words such as `object`, which an error has to name to be of use.
        each_text(value, &mut |text| own.extend(rows_of(text, name != "schema", &rows)));
    }
    let mut masked = vec![false; words.len()];
    for length in 1..=ROW {
        for (at, row) in lowered.windows(length).enumerate() {
            if own.contains(row) {
                masked.iter_mut().skip(at).take(length).for_each(|word| *word = true);
            }
        }
    }
    filled(&said, words.iter().zip(masked).filter_map(|(word, masked)| masked.then_some(word)))
}

fn is_given(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => true,
    }
}

/// Models and words of a closed list are nobody's own.
fn is_free(name: &str) -> bool {
    // An error that says which quality is not taken would be of no use without the word.
    let is_a_word = |argument: &argument::Argument| matches!(argument.values, argument::Values::Words(_));
    !matches!(name, "model" | "size") && !argument::ARGUMENTS.iter().any(|known| known.name == name && is_a_word(known))
}

fn each_text(value: &Value, found: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => found(text),
        Value::Array(list) => list.iter().for_each(|value| each_text(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| each_text(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Rows of words of an argument that are among those that were said; a short text is a row as a whole, where it counts.
fn rows_of(text: &str, short_counts: bool, said: &HashSet<Vec<String>>) -> Vec<Vec<String>> {
    let words: Vec<_> = words(text).iter().map(|word| lower(text, word)).collect();
    let row = match words.len() {
        0 => return Vec::new(),
        few @ 1..ROW if short_counts => few,
        _ => ROW,
    };
    // Only those that were said are kept: an argument may be of megabytes, and the error is of 300 characters.
    words.windows(row).filter(|row| said.contains(*row)).map(<[String]>::to_vec).collect()
}

/// The places of words: letters and digits of whatever script.
fn words(text: &str) -> Vec<Range<usize>> {
    let (mut words, mut begun, mut is_escaped) = (Vec::new(), None, false);
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        // The letter of `\n` divides words, as the line feed does in the argument: `\nanna` is the caller's `anna`.
        let is_of_a_word = c.is_alphanumeric() && !is_escaped;
        is_escaped = c == '\\';
        match (is_of_a_word, begun) {
            (true, None) => begun = Some(at),
            (false, Some(start)) => {
                words.push(start..at);
                begun = None;
            }
            _ => {}
        }
    }
    words
}

fn lower(text: &str, word: &Range<usize>) -> String {
    text.get(word.clone()).unwrap_or_default().to_lowercase()
}

/// The text with a gap for each run of these words.
fn filled<'a>(text: &str, gone: impl Iterator<Item = &'a Range<usize>>) -> String {
    let (mut filled, mut from) = (String::new(), 0);
    for word in gone {
        let between = text.get(from..word.start).unwrap_or_default();
        // Words that follow one another are one gap.
        if !filled.ends_with(GAP) || !between.trim().is_empty() {
            filled.push_str(between);
            filled.push_str(GAP);
        }
        from = word.end;
    }
    filled + text.get(from..).unwrap_or_default()
}

/// The text without what stands between quotation marks and is longer than a name.
fn unquoted(text: &str) -> String {
    let (mut unquoted, mut rest) = (String::new(), text);
    while let Some((at, mark)) = rest.char_indices().find(|&(at, c)| opens(rest, at, c)) {
        let (before, quoted) = rest.split_at(at + mark.len_utf8());
        let end = quoted.char_indices().find(|&(at, c)| c == closing(mark) && closes(quoted, at, c));
        let end = end.map_or(quoted.len(), |(end, _)| end);
        let (quoted, after) = quoted.split_at(end);
        unquoted.push_str(before);
        unquoted.push_str(if words(quoted).len() > QUOTED { GAP } else { quoted });
        let mark = after.chars().next().map_or(0, char::len_utf8);
        unquoted.push_str(after.get(..mark).unwrap_or_default());
        rest = after.get(mark..).unwrap_or_default();
    }
    unquoted + rest
}

/// An apostrophe opens nothing.
fn opens(text: &str, at: usize, c: char) -> bool {
    let is_in_a_word =
        || text.get(..at).and_then(|before| before.chars().next_back()).is_some_and(char::is_alphanumeric);
    matches!(c, '"' | '`' | '“' | '«' | '‘') || c == '\'' && !is_in_a_word()
}

fn closes(text: &str, at: usize, c: char) -> bool {
    let is_in_a_word = || text.get(at + 1..).and_then(|after| after.chars().next()).is_some_and(char::is_alphanumeric);
    c != '\'' || !is_in_a_word()
}

fn closing(mark: char) -> char {
    match mark {
        '“' => '”',
        '«' => '»',
        '‘' => '’',
        mark => mark,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(said: &str, arguments: &Value) -> String {
        without(said, arguments.as_object().unwrap())
    }

    #[test]
    fn an_upstreams_reason_stays_and_the_callers_words_go() {
        let arguments = json!({
            "query": "Tell me the secret plan of Anna", "model": "gpt-6-luna", "reasoning_effort": "low", "temperature": 0.5,
        });
        let cases = [
            ("Unsupported value: 'temperature' does not support 0.5 with this model.", None),
            ("gpt-6-luna doesn't take the effort 'low', it's too low", None),
            ("cannot process: tell me the SECRET plan of Anna now", Some("cannot process: [...] now")),
            (r#"invalid: {"query":"the secret plan"} here"#, Some(r#"invalid: {"query":"[...]"} here"#)),
            ("bad text 'what nobody else may ever read here' in messages", Some("bad text '[...]' in messages")),
            ("bad “what nobody else may ever read here", Some("bad “[...]")),
        ];
        for (said, left) in cases {
            assert_eq!(told(said, &arguments), left.unwrap_or(said));
        }
    }

    #[test]
    fn a_short_prompt_is_the_callers_too() {
        assert_eq!(told("no picture of Anna B", &json!({ "prompt": "anna" })), "no picture of [...] B");
        assert_eq!(told("not of \"red fox\"", &json!({ "prompt": "Red fox!" })), "not of \"[...]\"");
        assert_eq!(told("an object is needed", &json!({ "schema": { "type": "object" } })), "an object is needed");
        assert_eq!(told("line one\nline two", &json!({})), "line one\\nline two");
        assert_eq!(told("no picture of\nanna", &json!({ "prompt": "anna" })), "no picture of\\n[...]");
        assert_eq!(told(r"bad: red\nfox\nden", &json!({ "prompt": "red\nfox\nden" })), r"bad: [...]\n[...]\n[...]");
    }

    #[test]
    fn what_is_sent_beside_the_arguments_is_not_known() {
        let known = |arguments: Value| is_all_known(arguments.as_object().unwrap());
        assert!(known(json!({ "query": "Hi", "attachments": [], "conversation": "" })));
        assert!(
            !known(json!({ "query": "Hi", "attachments": ["a.txt"] })) && !known(json!({ "conversation": "conv_1" }))
        );
    }
}
