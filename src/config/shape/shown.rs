//! Values as people may see them: without keys that stand in the wrong place.

use std::borrow::Cow;

use crate::text;

/// A value made safe to show: one line, not long, and nothing that looks like a key in the wrong place.
pub(super) fn masked(value: &str) -> String {
    // The value goes to a terminal, a log or a client: one line, whatever stands in it.
    let value = value.replace(['\n', '\r', '\t'], " ");
    match text::redact(&text::sanitize(&value)) {
        Cow::Borrowed(keyless) => text::clip(keyless, 200).into_owned(),
        Cow::Owned(_) => "hidden: it looks like a key".to_owned(),
    }
}

/// A value that people see, in which no key may stand.
pub(in crate::config) fn keyless(value: &str) -> Result<&str, String> {
    match text::redact(value) {
        Cow::Borrowed(_) => Ok(value),
        Cow::Owned(_) => Err("it looks like an API key, which belongs in openai.api_key (OPENAI_API_KEY)".to_owned()),
    }
}

pub(super) fn quoted(value: &str) -> String {
    format!("`{}`", masked(value))
}
