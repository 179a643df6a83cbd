//! Words as search compares them: without case and accents, split where neither letter nor digit stands. Of scripts
//! that have no blanks between words, each pair of letters is one, and the last letter. The database is given the
//! finished lexemes, so that no locale, dictionary or extension of it matters.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

use crate::text::is_unspaced;

/// Limits of a `tsvector`: positions of a lexeme, the last position, bytes of a lexeme (2 KiB) and of all of them (1
/// MiB), the bytes with room to spare. <https://www.postgresql.org/docs/current/textsearch-limitations.html>
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
            // The rest is not found: the database would refuse the whole turn for it.
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
    let mut lexemes = BTreeSet::new();
    for run in runs(words) {
        match run.as_slice() {
            // It begins a pair, or ends the text's run.
            [letter] if is_unspaced(*letter) => drop(lexemes.insert(format!("'{}':*", folded(&run)))),
            // The letter behind the last one is not known.
            [first, ..] if is_unspaced(*first) => {
                lexemes.extend(run.windows(2).map(|pair| format!("'{}'", folded(pair))));
            }
            word => drop(lexemes.insert(format!("'{}'", folded(word)))),
        }
    }
    (!lexemes.is_empty()).then(|| lexemes.into_iter().collect::<Vec<_>>().join(" & "))
}

fn tokens(text: &str) -> impl Iterator<Item = String> {
    runs(text).into_iter().flat_map(|run| {
        let (pieces, longest) =
            if run.first().is_some_and(|first| is_unspaced(*first)) { (run.len(), 2) } else { (1, run.len()) };
        (0..pieces).map(move |at| folded(run.iter().skip(at).take(longest)))
    })
}

/// Words, each parted where a script without blanks begins or ends.
fn runs(text: &str) -> Vec<Vec<char>> {
    let composed: Vec<char> = text.nfc().collect();
    let words = composed.split(|c: &char| !c.is_alphanumeric() && !is_combining_mark(*c));
    let runs = words.flat_map(|word| word.chunk_by(|one, next| is_unspaced(*one) == is_unspaced(*next)));
    runs.filter(|run| run.iter().any(|c| c.is_alphanumeric())).map(<[char]>::to_vec).collect()
}

fn folded<'a>(word: impl IntoIterator<Item = &'a char>) -> String {
    // Combining Diacritical Marks alone: marks of other scripts, such as the vowels of Hindi, make another word.
    let is_accent = |c: &char| ('\u{300}'..='\u{36f}').contains(c);
    let letters = word.into_iter().copied().nfd().filter(|c| !is_accent(c)).flat_map(char::to_lowercase);
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
        assert_eq!(document("GPT日本語"), "'gpt':1 '日本':2 '本語':3 '語':4 ");
        assert_eq!(all("日本語 東").as_deref(), Some("'日本' & '本語' & '東':*"));
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
