//! Scripts that are written without blanks between words: an index that divides at blanks has to be helped.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

/// Returns whether it is a letter of Chinese, Japanese or Korean, composed. Korean has blanks, and its particles stand
/// at the words without one. <https://www.unicode.org/Public/UCD/latest/ucd/Blocks.txt>
#[must_use]
pub fn is_unspaced(c: char) -> bool {
    matches!(c,
        // Iteration and closing marks and the zero; kana; Bopomofo.
        '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{3096}' | '\u{309D}'..='\u{309F}' | '\u{30A1}'..='\u{30FA}'
        | '\u{30FC}'..='\u{30FF}' | '\u{3105}'..='\u{312F}' | '\u{31A0}'..='\u{31BF}' | '\u{31F0}'..='\u{31FF}'
        | '\u{FF66}'..='\u{FF9F}'
        // Ideographs with their extensions; syllables of Hangul.
        // Planes 2 and 3 are for ideographs alone. <https://www.unicode.org/roadmaps/tip/>
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}'
        | '\u{AC00}'..='\u{D7A3}')
}

/// Sets each letter of such a script apart by blanks, so that it is a word of its own. Borrowed where there is none.
#[must_use]
pub fn spaced(text: &str) -> Cow<'_, str> {
    // Decomposed Hangul and kana with marks become letters of their own, too.
    const FIRST: char = '\u{1100}';
    if text.chars().all(|c| c < FIRST) {
        return Cow::Borrowed(text);
    }
    let mut spaced = String::with_capacity(text.len() * 4 / 3);
    for c in text.nfc() {
        if is_unspaced(c) {
            spaced.extend([' ', c, ' ']);
        } else {
            spaced.push(c);
        }
    }
    Cow::Owned(spaced)
}
