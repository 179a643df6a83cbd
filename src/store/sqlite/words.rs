//! Words as the full-text index is asked for them.

/// A query for rows in which all of the words stand; `None` where there is no word. Each is quoted: nothing in it is an
/// operator of the index's own language. A zero would end the query.
pub(super) fn all(words: &str) -> Option<String> {
    let words = words.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let quoted: Vec<_> = words.map(|word| format!("\"{}\"", word.replace('"', "\"\""))).collect();
    (!quoted.is_empty()).then(|| quoted.join(" "))
}
