//! JSON that is almost JSON, as JavaScript and Python write it: halves of a character where a text was cut at a length,
//! `NaN` and `Infinity`, control characters in texts, and bytes that are no UTF-8.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memmem};
use serde::de::IgnoredAny;

/// Mends what [`serde_json`] does not read; borrowed where there is nothing to mend, which one look tells. Each half of
/// a character becomes U+FFFD, a number that is none `null`. Linear.
#[must_use]
pub fn mend(json: &[u8]) -> Cow<'_, str> {
    let wide = utf16(json);
    let json = match wide.map_or_else(|| String::from_utf8_lossy(json), Cow::Owned) {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_end_matches('\0')),
        Cow::Owned(text) => Cow::Owned(text.trim_end_matches('\0').to_owned()),
    };
    if is_suspect(&json) { Cow::Owned(mended(&json)) } else { json }
}

/// JSON in UTF-16, with its mark or without.
fn utf16(json: &[u8]) -> Option<String> {
    let (bytes, unit): (_, fn([u8; 2]) -> u16) = match json {
        [0xFF, 0xFE, rest @ ..] => (rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => (rest, u16::from_be_bytes),
        // JSON begins in ASCII, so a zero beside its bracket is the other half of a unit (RFC 4627, section 3).
        [b'{' | b'[', 0, ..] => (json, u16::from_le_bytes),
        [0, b'{' | b'[', ..] => (json, u16::from_be_bytes),
        _ => return None,
    };
    let units: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|pair| unit(*pair)).collect();
    Some(String::from_utf16_lossy(&units))
}

/// Returns whether there are halves of characters in it, which may or may not stand together.
pub(super) fn has_halves(json: &[u8]) -> bool {
    let has = |begin: &str| memmem::find(json, begin.as_bytes()).is_some();
    memchr(b'\\', json).is_some() && (has("\\ud") || has("\\uD"))
}

/// Looks for single bytes first: each piece of a streamed answer passes here.
fn is_suspect(json: &str) -> bool {
    let bytes = json.as_bytes();
    has_halves(bytes)
        || memchr2(b'N', b'I', bytes).is_some() && NO_NUMBERS.iter().any(|word| json.contains(word))
        || bytes.iter().any(|byte| *byte < b' ') && serde_json::from_str::<IgnoredAny>(json).is_err()
}

/// Words of Python and JavaScript for numbers that JSON does not have.
// Python writes them unless `allow_nan` is off.
// <https://docs.python.org/3/library/json.html#infinite-and-nan-number-values>
const NO_NUMBERS: [&str; 3] = ["NaN", "-Infinity", "Infinity"];

fn mended(json: &str) -> String {
    let mut mended = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(next) = rest.chars().next() {
        let length = match next {
            '"' => text(rest, &mut mended),
            _ if let Some(word) = NO_NUMBERS.iter().find(|word| rest.starts_with(**word)) => {
                mended.push_str("null");
                word.len()
            }
            other => {
                mended.push(other);
                other.len_utf8()
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    mended
}

/// Mends the text at the beginning of `json`, quotes included, and returns its length as it was.
fn text(json: &str, mended: &mut String) -> usize {
    let mut at = 1;
    mended.push('"');
    while let Some(next) = json.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = json.get(at..).unwrap_or_default();
        let (taken, kept): (usize, Cow<'_, str>) = match next {
            '"' => {
                mended.push('"');
                return at + 1;
            }
            '\\' => match (unit(rest), rest.get(6..).and_then(unit)) {
                (Some(0xD800..0xDC00), Some(0xDC00..0xE000)) => (12, rest.get(..12).unwrap_or_default().into()),
                (Some(0xD800..0xE000), _) => (6, "\\ufffd".into()),
                (Some(_), _) => (6, rest.get(..6).unwrap_or_default().into()),
                (None, _) => {
                    let escaped: String = rest.chars().take(2).collect();
                    (escaped.len(), escaped.into())
                }
            },
            control if control < ' ' => (1, format!("\\u{:04x}", u32::from(control)).into()),
            other => (other.len_utf8(), other.to_string().into()),
        };
        mended.push_str(&kept);
        at += taken;
    }
    at
}

/// The UTF-16 unit that a text begins with, escaped.
pub(super) fn unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_is_almost_json_is_read() {
        for (almost, read) in [
            (r#"{"a":"x\ud83d"}"#, json!({ "a": "x\u{fffd}" })),
            (r#"{"a":"\ude00\ud83d\ude00\ud83dx"}"#, json!({ "a": "\u{fffd}\u{1f600}\u{fffd}x" })),
            (r#"{"a":"\\ud83d \" NaN \uD83D"}"#, json!({ "a": "\\ud83d \" NaN \u{fffd}" })),
            (r#"{"a":NaN,"b":[-Infinity,Infinity,1]}"#, json!({ "a": null, "b": [null, null, 1] })),
            ("{\"a\":\"x\ty\nz\u{1}\"}\0\0", json!({ "a": "x\ty\nz\u{1}" })),
        ] {
            assert_eq!(serde_json::from_str::<Value>(&mend(almost.as_bytes())).unwrap(), read, "{almost}");
        }
        assert_eq!(serde_json::from_str::<Value>(&mend(b"{\"a\":\"\xe9\"}")).unwrap(), json!({ "a": "\u{fffd}" }));
    }

    #[test]
    fn json_is_left_alone() {
        for json in [r#"{"a":"b\u00e4"}"#, "{\n\t\"a\": 1\n}", "", "[1"] {
            assert!(matches!(mend(json.as_bytes()), Cow::Borrowed(same) if same == json), "{json}");
        }
        let pair = r#"{"a":"\ud83d\ude00"}"#;
        assert_eq!(mend(pair.as_bytes()), pair);
    }
}
