//! The secrets that are sent with each request, in every form in which a text from outside may have them. Their forms
//! are made once for a key, and kept with it.

use std::{borrow::Cow, collections::BTreeSet};

use base64_simd::STANDARD_NO_PAD;
use memchr::{memchr_iter, memmem::Finder};
use url::form_urlencoded;

use crate::text;

/// Stands in the place of a secret.
const REDACTED: &str = "[secret]";

/// Shorter ones stand in too many texts by chance.
const SHORTEST: usize = 8;

/// All that may appear in no output.
#[derive(Default)]
pub(crate) struct SecretForms {
    hidden: Vec<Finder<'static>>,
    /// Stand in answers by right, and in no error.
    public: Vec<Finder<'static>>,
}

impl SecretForms {
    pub(crate) fn new<'a>(secrets: impl Iterator<Item = &'a str>) -> Self {
        let (public, hidden): (Vec<_>, Vec<_>) =
            secrets.filter(|secret| secret.len() >= SHORTEST).partition(|secret| is_public(secret));
        Self { hidden: finders(&hidden), public: finders(&public) }
    }

    /// True for a text with one of them in it.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        self.hidden.iter().any(|secret| secret.find(text.as_bytes()).is_some())
    }

    /// A piece of an answer without them.
    pub(crate) fn out_of<'a>(&self, text: &'a str) -> Cow<'a, str> {
        out_of(text, &self.hidden)
    }

    /// Number of bytes at the end of a text that may be the beginning of one.
    pub(crate) fn begun_in(&self, text: &str) -> usize {
        self.hidden.iter().map(|secret| begun(text.as_bytes(), secret.needle())).max().unwrap_or_default()
    }

    /// A text from the upstream made fit to show: no control characters, no secret, not long.
    pub(crate) fn clean(&self, text: &str) -> String {
        const LONGEST_MESSAGE: usize = 600;
        // First of all: with an invisible character in it a key would not be found.
        let safe = text::sanitize(text);
        let safe = out_of(&safe, &self.hidden);
        let safe = out_of(&safe, &self.public);
        // Last: a piece of a key is not known to be one.
        text::clip(text::redact(&safe).trim(), LONGEST_MESSAGE).into_owned()
    }
}

fn finders(secrets: &[&str]) -> Vec<Finder<'static>> {
    secrets.iter().flat_map(|secret| forms(secret)).map(|form| Finder::new(&form).into_owned()).collect()
}

fn out_of<'a>(text: &'a str, secrets: &[Finder<'static>]) -> Cow<'a, str> {
    let mut text = Cow::Borrowed(text);
    for secret in secrets {
        if secret.find(text.as_bytes()).is_some()
            && let Ok(secret) = std::str::from_utf8(secret.needle())
        {
            text = Cow::Owned(text.replace(secret, REDACTED));
        }
    }
    text
}

/// A secret as texts may have it: as it is, in a URL, and within any base64.
fn forms(secret: &str) -> Vec<String> {
    // A gateway that echoes an `Authorization: Basic` header has the key in base64, behind a user name of any length.
    let in_url: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let plain = [secret.to_owned(), in_url].into_iter().collect::<BTreeSet<_>>();
    plain.into_iter().chain((0..3).map(|before| in_base64(secret, before))).collect()
}

/// The part of base64 that is a secret's alone, whatever follows it and is in the `before` bytes of its first group.
fn in_base64(secret: &str, before: usize) -> String {
    let bytes = [vec![0; before], secret.into()].concat();
    let mut encoded = STANDARD_NO_PAD.encode_to_string(&bytes);
    // The last letter has bits of what follows.
    if bytes.len() % 3 > 0 {
        encoded.pop();
    }
    // One byte before it reaches into two letters, two bytes into three.
    let foreign = if before == 0 { 0 } else { before + 1 };
    encoded.split_off(foreign.min(encoded.len()))
}

/// Returns whether a value that is sent along stands in answers by right: the version of an API, the address of a site,
/// and what servers without keys take for one.
fn is_public(value: &str) -> bool {
    const KEYLESS: [&str; 6] =
        ["lm-studio", "sk-no-key-required", "no-key-required", "not-needed", "ollama-key", "anything"];
    let is_date = |date: &str| date.parse::<chrono::NaiveDate>().is_ok();
    KEYLESS.contains(&value)
        || ["https://", "http://"].iter().any(|scheme| value.starts_with(scheme))
        || is_date(value.trim_end_matches("-preview"))
}

/// Number of bytes at the end of the text that may be the beginning of this secret, and are not all of it.
fn begun(text: &[u8], secret: &[u8]) -> usize {
    let Some(&first) = secret.first() else { return 0 };
    // Shorter than the whole secret: whole ones were taken out before.
    let (_, end) = text.split_at(text.len().saturating_sub(secret.len() - 1));
    // By its first byte: most deltas of an answer have none, and are looked at once.
    let ends = memchr_iter(first, end).filter_map(|at| end.get(at..));
    ends.filter(|end| secret.starts_with(end)).map(<[u8]>::len).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(text: &str) -> String {
        SecretForms::new(["a-secret-of-ours", "short"].into_iter()).clean(text)
    }

    #[test]
    fn u08_secrets_leave_a_message_however_they_stand_in_it() {
        assert_eq!(cleaned("Incorrect API key: sk-proj-abc***xyz. See"), "Incorrect API key: [key] See");
        assert_eq!(cleaned("a-secret-of-ours, sk-12345678 short"), "[secret], [key] short");
        assert_eq!(cleaned("a-secret\u{200B}-of-ours \u{1b}[31m"), "[secret] [31m");
        assert_eq!(cleaned("task-based risk-averse sk-1"), "task-based risk-averse sk-1");
        assert_eq!(cleaned(&"x".repeat(5_000)).chars().count(), 600);
    }

    #[test]
    fn u08_secrets_leave_a_message_in_their_other_forms() {
        for before in ["", "u", "me", "user", ":"] {
            for after in ["", "\n", "--", "..."] {
                let encoded = STANDARD_NO_PAD.encode_to_string(format!("{before}a-secret-of-ours{after}"));
                let cleaned = cleaned(&format!("basic {encoded}=="));
                assert!(cleaned.contains("[secret]") && cleaned.len() < 30, "{before:?} {after:?}: {cleaned}");
            }
        }
        assert_eq!(SecretForms::new(["a/secret=1"].into_iter()).clean("?k=a%2Fsecret%3D1"), "?k=[secret]");
    }
}
