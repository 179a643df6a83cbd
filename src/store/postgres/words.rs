//! Words as search compares them: without case and accents, split where neither letter nor digit stands. The database
//! is given the finished lexemes, so that no locale, dictionary or extension of it matters.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

/// Limits of a `tsvector`: positions of a lexeme, the last position, bytes of a lexeme and of all of them, with room to
/// spare. <https://www.postgresql.org/docs/current/textsearch-limitations.html>
const MOST_POSITIONS: usize = 255;
const LAST_POSITION: usize = 16_383;
const LONGEST: usize = 512;
const MOST_BYTES: usize = 512 * 1024;

/// The index entry of a text, as a `tsvector` is written.
pub(super) fn document(text: &str) -> String {
    let mut lexemes: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut bytes = 0;
    for (token, position) in tokens(text).zip(1..) {
        if !lexemes.contains_key(&token) {
            bytes += token.len();
            if bytes > MOST_BYTES {
                break;
            }
        }
        let positions = lexemes.entry(token).or_default();
        if positions.len() < MOST_POSITIONS && position <= LAST_POSITION {
            positions.push(position);
        }
    }
    let mut written = String::new();
    for (lexeme, positions) in lexemes {
        let positions: Vec<_> = positions.iter().map(ToString::to_string).collect();
        let colon = if positions.is_empty() { "" } else { ":" };
        // Neither a quote nor a backslash is in a lexeme.
        let _ = write!(written, "'{lexeme}'{colon}{} ", positions.join(","));
    }
    written
}

/// A query for texts in which all of the words stand, as a `tsquery` is written; `None` where there is no word.
pub(super) fn all(words: &str) -> Option<String> {
    let lexemes: BTreeSet<_> = tokens(words).map(|token| format!("'{token}'")).collect();
    (!lexemes.is_empty()).then(|| lexemes.into_iter().collect::<Vec<_>>().join(" & "))
}

fn tokens(text: &str) -> impl Iterator<Item = String> {
    let split = text.split(|c: char| !c.is_alphanumeric() && !is_combining_mark(c));
    split.map(folded).filter(|token| token.chars().any(char::is_alphanumeric))
}

fn folded(word: &str) -> String {
    let is_accent = |c: &char| ('\u{300}'..='\u{36f}').contains(c);
    let letters = word.nfd().filter(|c| !is_accent(c)).flat_map(char::to_lowercase);
    // At the end of a Greek word another small sigma stands.
    let mut folded: String = letters.map(|c| if c == 'ς' { 'σ' } else { c }).collect();
    folded.truncate(folded.floor_char_boundary(LONGEST));
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_lexemes_with_their_places() {
        assert_eq!(document("The fox, the FOX & Crème"), "'creme':5 'fox':2,4 'the':1,3 ");
        assert_eq!(all("crème-FOX  \"").as_deref(), Some("'creme' & 'fox'"));
        assert_eq!((all("* \" \\ '"), document("'' \\ \0")), (None, String::new()));
    }

    #[test]
    fn no_text_is_too_long_for_the_index() {
        let many = (0..200_000).map(|number| number.to_string()).collect::<Vec<_>>().join(" ");
        let long = "x".repeat(10_000);
        let repeated = "word ".repeat(20_000);
        assert!(document(&many).len() < 1_000_000);
        assert_eq!(document(&long).len(), LONGEST + ":1''  ".len() - 1);
        assert_eq!(document(&repeated).matches(',').count() + 1, MOST_POSITIONS);
    }
}
