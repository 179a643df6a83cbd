//! JSON that was cut: an answer that broke off in the middle, and characters whose halves came in two pieces.

use std::borrow::Cow;

use super::mended::{has_halves, unit};

/// One list or object that is open: its end, and the length of what can stay of it.
struct OpenBracket {
    end: char,
    whole: usize,
}

/// The treatment of a text that broke off in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutText {
    /// Ended where it broke off.
    Kept,
    /// Left out, as everything else is that is not whole.
    Dropped,
}

/// Ends JSON that broke off, before the value that is not whole; a text is treated as `cut` says. `None` where nothing
/// was open. What was no JSON stays none. Linear.
#[must_use]
pub fn close(json: &str, cut: CutText) -> Option<String> {
    let mut open: Vec<OpenBracket> = Vec::new();
    let mut is_name = false;
    let mut characters = json.char_indices();
    while let Some((at, character)) = characters.next() {
        let innermost = open.last_mut();
        match (character, innermost) {
            ('{' | '[', _) => {
                let end = if character == '{' { '}' } else { ']' };
                open.push(OpenBracket { end, whole: at + 1 });
                is_name = character == '{';
            }
            ('}' | ']', Some(_)) => {
                open.pop();
                if let Some(around) = open.last_mut() {
                    around.whole = at + 1;
                }
            }
            (':', Some(_)) => is_name = false,
            // Only here is a number whole: where the text broke off, `1` may be the beginning of `12`.
            (',', Some(innermost)) => {
                innermost.whole = at;
                is_name = innermost.end == '}';
            }
            ('"', Some(innermost)) => match text_end(&mut characters) {
                Ok(end) if !is_name => innermost.whole = end,
                Err(kept) if !is_name && cut == CutText::Kept => {
                    return Some(ended(json.get(..kept.max(at + 1))?, "\"", &open));
                }
                Ok(_) => {}
                Err(_) => break,
            },
            _ => {}
        }
    }
    ended(json.get(..open.last()?.whole)?, "", &open).into()
}

/// Reads on to the end of a text, behind its quote; or returns where it can be cut, not within an escape.
fn text_end(characters: &mut std::str::CharIndices<'_>) -> Result<usize, usize> {
    let mut kept = 0;
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok(at + 1),
            '\\' => {
                let escape = characters.next().map(|(_, escape)| escape);
                let more = if escape == Some('u') { characters.by_ref().take(4).count() } else { 4 };
                if escape.is_none() || more < 4 {
                    return Err(kept);
                }
                kept = characters.offset();
            }
            _ => kept = at + character.len_utf8(),
        }
    }
    Err(kept)
}

fn ended(kept: &str, quote: &str, open: &[OpenBracket]) -> String {
    let ends: String = open.iter().rev().map(|bracket| bracket.end).collect();
    format!("{kept}{quote}{ends}")
}

/// Puts the halves of a character together that came in two pieces of an answer, each a text of its own: servers in
/// JavaScript cut texts by UTF-16 units.
#[derive(Debug, Default)]
pub struct SurrogatePairs {
    /// The first half, as it is escaped.
    first: Option<String>,
}

impl SurrogatePairs {
    /// Takes the next piece: a first half at the end of a text goes to the second one that begins the next.
    #[must_use]
    pub fn join<'a>(&mut self, piece: &'a str) -> Cow<'a, str> {
        if !has_halves(piece.as_bytes()) {
            return Cow::Borrowed(piece);
        }
        let mut piece = Cow::Borrowed(piece);
        let second = || piece.match_indices('"').map(|(at, _)| at + 1).find(|at| is_half(&piece, *at, 0xDC00..0xE000));
        if let (Some(at), Some(first)) = (second(), self.first.take()) {
            piece.to_mut().insert_str(at, &first);
        }
        // Kept for the next piece: serde_json refuses a half that stands alone.
        let last = piece.match_indices('"').filter_map(|(at, _)| at.checked_sub(ESCAPED)).find(|at| {
            is_half(&piece, *at, 0xD800..0xDC00) && !piece.get(..*at).is_some_and(|before| before.ends_with('\\'))
        });
        if let Some(at) = last {
            self.first = piece.get(at..at + ESCAPED).map(str::to_owned);
            piece.to_mut().replace_range(at..at + ESCAPED, "");
        }
        piece
    }
}

/// Bytes of an escaped half.
const ESCAPED: usize = 6;

fn is_half(json: &str, at: usize, of: std::ops::Range<u16>) -> bool {
    json.get(at..).and_then(unit).is_some_and(|unit| of.contains(&unit))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn json_that_broke_off_anywhere_can_be_ended() {
        let whole = r#"{"choices":[{"message":{"content":"Hel\n\u00e9lo."},"finish_reason":"stop"}],"usage":{"n":[1,2.5]},"x":null}"#;
        for length in 1..whole.len() {
            let closed = close(&whole[..length], CutText::Kept).unwrap();
            let value: Value = serde_json::from_str(&closed).unwrap_or_else(|error| panic!("{closed}: {error}"));
            if length > 60 {
                assert_eq!(value["choices"][0]["message"]["content"], "Hel\n\u{e9}lo.", "{closed}");
            }
        }
        let closed = |json: &str, cut| close(json, cut).map(|closed| serde_json::from_str::<Value>(&closed).unwrap());
        let cut = |json: &str| closed(json, CutText::Kept);
        assert_eq!(cut(r#"{"a":"b\"#), Some(json!({ "a": "b" })));
        assert_eq!(cut(r#"["a","b\u00"#), Some(json!(["a", "b"])));
        assert_eq!(cut("{}"), None);
        let whole_texts = |json: &str| closed(json, CutText::Dropped);
        assert_eq!(whole_texts(r#"{"a":["b","c"#), Some(json!({ "a": ["b"] })));
        assert_eq!(whole_texts(r#"{"a":"b","c":{"d":"e"#), Some(json!({ "a": "b", "c": {} })));
    }

    #[test]
    fn halves_in_two_pieces_are_one_character() {
        let mut halves = SurrogatePairs::default();
        assert_eq!(halves.join(r#"{"content":"a\ud83d"}"#), r#"{"content":"a"}"#);
        assert_eq!(halves.join(r#"{"content":""}"#), r#"{"content":""}"#);
        assert_eq!(halves.join(r#"{"content":"\ude00b"}"#), r#"{"content":"\ud83d\ude00b"}"#);
        for alone in [r#"{"a":"\ude00"}"#, r#"{"a":"x\\ud83d"}"#, r#"{"a":"\ud83d\ude00"}"#, r#"{"a":"\ud83dx"}"#] {
            assert_eq!(SurrogatePairs::default().join(alone), alone);
        }
    }
}
