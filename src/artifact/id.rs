//! Ids, which are file names: `20261122-105106-k3x9q2-red-fox.png` is the moment (UTC, to the millisecond), four random
//! letters, the stem if there is one, and the format. So an id finds its file in one step, and sorting ids sorts by
//! time.

use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::Stem;
use crate::media::Format;

/// The id of a kept picture: minted here, date-ordered, parsed back strictly; so no path from outside reaches the
/// store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArtifactId {
    text: String,
    made_at: DateTime<Utc>,
}

impl ArtifactId {
    /// A new id. Random letters keep processes apart that mint in the same millisecond.
    pub(super) fn mint(made_at: DateTime<Utc>, stem: Option<&Stem>, format: Format) -> Self {
        let millisecond = base32(made_at.timestamp_subsec_millis(), 2);
        // 20 bits: two processes rarely meet within a millisecond, and whoever comes second finds the name taken.
        let random = base32(rand::random(), 4);
        let stem = stem.map(|stem| format!("-{}", stem.as_str())).unwrap_or_default();
        let text = format!("{}-{millisecond}{random}{stem}.{}", made_at.format(SECOND), format.extension());
        Self { text, made_at }
    }

    /// Reads an id as [`super::Artifacts::keep`] mints them; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, extension) = text.rsplit_once('.')?;
        let mut parts = name.splitn(4, '-');
        let (date, time, unique) = (parts.next()?, parts.next()?, parts.next()?);
        let is_ours = date.len() == 8
            && time.len() == 6
            && date.bytes().chain(time.bytes()).all(|b| b.is_ascii_digit())
            && unique.len() == 6
            && parts.next().is_none_or(Stem::is_one)
            && Format::ALL.iter().any(|format| format.extension() == extension);
        if !is_ours {
            return None;
        }
        let second = NaiveDateTime::parse_from_str(&format!("{date}-{time}"), SECOND).ok()?.and_utc();
        let mut digits = unique.bytes().map(|b| DIGITS.iter().position(|&digit| digit == b));
        let millisecond = digits.next()?? * 32 + digits.next()??;
        let made_at = second + TimeDelta::milliseconds(i64::try_from(millisecond).ok()?);
        (millisecond < 1000 && digits.all(|digit| digit.is_some())).then(|| Self { text: text.to_owned(), made_at })
    }

    /// `image://ID`.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("image://{}", self.text)
    }

    /// Reads `image://ID`.
    #[must_use]
    pub fn parse_uri(uri: &str) -> Option<Self> {
        Self::parse(uri.strip_prefix("image://")?)
    }

    /// The file name, with its extension.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// When the picture was kept, to the millisecond.
    #[must_use]
    pub fn made_at(&self) -> DateTime<Utc> {
        self.made_at
    }
}

/// The date and time of an id, UTC.
const SECOND: &str = "%Y%m%d-%H%M%S";

/// Crockford's base 32: no letter reads as another, and its order is that of ASCII.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The last `length` base-32 digits of a number.
fn base32(number: u32, length: u32) -> String {
    let digit = |place: u32| DIGITS.get((number >> (5 * place) & 31) as usize).copied();
    (0..length).rev().filter_map(digit).map(char::from).collect()
}

impl fmt::Display for ArtifactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for ArtifactId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a picture id")
    }
}

impl From<ArtifactId> for String {
    fn from(id: ArtifactId) -> Self {
        id.text
    }
}

/// Gives each picture of this process a millisecond of its own, so that ids sort in the order they were minted even
/// within a millisecond, and when the system's clock is set back.
#[derive(Debug, Default)]
pub(super) struct Clock {
    last: AtomicI64,
}

impl Clock {
    pub(super) fn next(&self) -> DateTime<Utc> {
        let now = Utc::now().timestamp_millis();
        let next = |last: i64| now.max(last + 1);
        // It returns the value before, so that the step is taken once more here.
        // Relaxed, as nothing else is published by it.
        let last = self.last.update(Ordering::Relaxed, Ordering::Relaxed, next);
        DateTime::from_timestamp_millis(next(last)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_process_sort_as_they_were_minted() {
        let clock = Clock::default();
        let minted: Vec<_> = (0..5000).map(|_| ArtifactId::mint(clock.next(), None, Format::Png)).collect();
        assert!(minted.is_sorted_by(|a, b| a < b && a.made_at < b.made_at));
    }

    #[test]
    fn what_is_minted_is_parsed_back_whole() {
        let clock = Clock::default();
        for stem in [None, Stem::parse("Red fox"), Stem::parse(&"x-".repeat(100))] {
            for format in Format::ALL {
                let id = ArtifactId::mint(clock.next(), stem.as_ref(), format);
                assert_eq!(ArtifactId::parse(id.as_str()).as_ref(), Some(&id));
                assert_eq!(ArtifactId::parse_uri(&id.uri()).as_ref(), Some(&id));
            }
        }
    }

    #[test]
    fn i01_nothing_else_is_an_id() {
        let good = "20261122-105106-k3x9q2-red-fox.png";
        assert_eq!(ArtifactId::parse(good).unwrap().made_at().to_rfc3339(), "2026-11-22T10:51:06.611+00:00");
        let bad = "\
            x.png ../20261122-105106-k3x9q2.png 20261122-105106-k3x9q2/../x.png 20261122-105106-k3x9q2-..-x.png \
            20261122-105106-k3x9q2-a.b.png 20261122-105106-k3x9q2-.png 20261122-105106-k3x9q2-a\\b.png \
            20261122-105106-k3x9q2-a\0.png 20261122-105106-k3x9q2-Red.png 20261122-105106-k3x9q2.png#1 \
            20261122-105106-k3x9q2.exe 20261122-105106-k3x9q2.PNG 20261122-105106-k3x9q2 20261122-105106-k3x9u2.png \
            20261122-105106-zzx9q2.png 20261122-105106-k3x9q22.png 20261322-105106-k3x9q2.png \
            20261122-255106-k3x9q2.png +0261122-105106-k3x9q2.png ２0261122-105106-k3x9q2.png";
        for text in bad.split_ascii_whitespace().chain([""]) {
            assert_eq!(ArtifactId::parse(text), None, "{text}");
        }
        assert_eq!(ArtifactId::parse(&format!("20261122-105106-k3x9q2-{}.png", "x".repeat(61))), None);
    }
}
