//! Words as the full-text index is given them, and as it is asked for them.

use crate::text;

/// A text for the index: letters of scripts without blanks are words of their own.
pub(super) use text::spaced as document;

/// A query for rows in which all of the words stand; `None` where there is no word. Each is quoted, and so a phrase of
/// what [`document`] makes of it: nothing in it is an operator of the index's own language. A zero would end the query.
pub(super) fn all(words: &str) -> Option<String> {
    let words = words.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let quoted: Vec<_> = words.map(|word| format!("\"{}\"", document(word).replace('"', "\"\""))).collect();
    (!quoted.is_empty()).then(|| quoted.join(" "))
}
