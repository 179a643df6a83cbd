//! Text made fit to show: no control, bidi or tag characters from outside reach a terminal, a log or a client, keys are
//! taken out, and sizes and times read as people write them.

use std::{borrow::Cow, fmt::Write as _, time::Duration};

/// Removes what no reader can see but a terminal or a model obeys: control characters other than newline and tab
/// (ANSI and OSC sequences lose their ESC), bidi overrides and isolates, zero-width and tag characters.
#[must_use]
pub fn sanitize(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_safe) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.chars().filter(|&c| is_safe(c)).collect())
    }
}

/// Escapes what [`sanitize`] removes, and line breaks and tabs, so that a text is one line. The escapes are JSON's: a JSON
/// text stays the same JSON.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push_str("\\t"),
            c if is_safe(c) => escaped.push(c),
            c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                let _ = write!(escaped, "\\u{unit:04x}");
            }),
        }
    }
    escaped
}

/// Cuts to at most `max` characters, marking the cut with an ellipsis.
#[must_use]
pub fn clip(text: &str, max: usize) -> Cow<'_, str> {
    if text.char_indices().nth(max).is_none() {
        return Cow::Borrowed(text);
    }
    let Some(kept) = max.checked_sub(1) else { return Cow::Borrowed("") };
    Cow::Owned(text.chars().take(kept).chain(['…']).collect())
}

/// [`sanitize`] and [`clip`] in one: a word of somebody else's, as an error may quote it.
#[must_use]
pub fn brief(text: &str, max: usize) -> String {
    clip(&sanitize(text), max).into_owned()
}

/// Whether [`sanitize`] keeps it.
#[must_use]
pub fn is_safe(c: char) -> bool {
    match c {
        '\n' | '\t' => true,
        // Bidi marks, embeddings, overrides and isolates; zero-width space, word joiner, invisible operators, BOM; tags.
        // ZWJ and ZWNJ stay: emoji and scripts need them.
        '\u{061C}'
        | '\u{200B}'
        | '\u{200E}'
        | '\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}'
        | '\u{FEFF}'
        | '\u{E0000}'..='\u{E007F}' => false,
        c => !c.is_control(),
    }
}

/// Replaces everything that looks like one of OpenAI's keys: `sk-` at the start of a word, 8 characters at least, some
/// of which an upstream may have starred out. Borrowed when there is none.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*' | '.');
    let mut redacted = String::new();
    let mut kept = 0;
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find("sk-")) {
        let start = at + found;
        let (before, key) = text.split_at(start);
        let length = key.find(|c| !is_key(c)).unwrap_or(key.len());
        at = start + length;
        if length >= 8 && !before.ends_with(|c: char| c.is_ascii_alphanumeric()) {
            redacted.push_str(before.get(kept..).unwrap_or_default());
            redacted.push_str("[key]");
            kept = at;
        }
    }
    if kept == 0 { Cow::Borrowed(text) } else { Cow::Owned(redacted + text.get(kept..).unwrap_or_default()) }
}

/// A size for people: `812 B`, `1.9 MB`. Thousands, as file browsers count.
#[must_use]
pub fn bytes(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let (count, exact) = (count as f64, count);
    match exact {
        0..1_000 => format!("{exact} B"),
        1_000..1_000_000 => format!("{:.0} kB", count / 1e3),
        _ => format!("{:.1} MB", count / 1e6),
    }
}

/// A duration as settings have it, in its largest whole unit: `250ms`, `45s`, `10m`, `1h`.
#[must_use]
pub fn duration(duration: Duration) -> String {
    match duration.as_millis() {
        0 => "0s".to_owned(),
        ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms if ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        ms if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}

/// Seconds, rounded up: a wait of 200 ms reads as 1 s, and whoever waits so long does not come too early.
#[must_use]
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i06_escapes_bidi_and_tags_lose_their_power() {
        assert_eq!(sanitize("\u{1b}]52;c;cGFz\u{7}red\u{1b}[31m\0"), "]52;c;cGFzred[31m");
        assert_eq!(sanitize("gpj\u{202e}.exe \u{2067}x\u{2069}\u{61c}"), "gpj.exe x");
        assert_eq!(sanitize("a\u{e0041}\u{e007f}\u{feff}b\u{200b}\r\nc"), "ab\nc");
        assert_eq!(sanitize("\u{9b}31m"), "31m");
    }

    #[test]
    fn what_people_write_passes_untouched() {
        let text = "Füchse — 👩‍🚀, می‌خواهم\n\t日本語";
        assert!(matches!(sanitize(text), Cow::Borrowed(same) if same == text));
    }

    #[test]
    fn clips_by_characters_and_marks_the_cut() {
        assert_eq!(clip("füchse", 6), "füchse");
        assert_eq!(clip("füchse", 4), "füc…");
        assert_eq!(clip("füchse", 1), "…");
        assert_eq!(clip("füchse", 0), "");
        assert_eq!(clip("", 0), "");
    }
}
