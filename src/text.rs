//! Text made fit to show: no control, bidi or tag characters from outside reach a terminal, a log or a client, keys are
//! taken out, and sizes and times read as people write them.

use std::{borrow::Cow, fmt::Write as _, time::Duration};

mod cut;
mod mended;
mod private_key;
mod reading;
mod relaxed;
mod unfilled;
mod unspaced;

pub use cut::{CutText, SurrogatePairs, close};
pub use mended::mend;
pub use private_key::holds_private_key;
pub use reading::read_file;
pub use relaxed::relax;
pub use unspaced::{is_unspaced, spaced};

/// Removes what no reader can see but a terminal or a model obeys: control characters other than newline and tab
/// (ANSI and OSC sequences lose their ESC), bidi overrides and isolates, zero-width characters, fillers, tags and the
/// separators that break lines for some readers and not for others.
#[must_use]
pub fn sanitize(text: &str) -> Cow<'_, str> {
    // Nearly every text is clean: one look, and no copy.
    if text.chars().all(is_safe) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.chars().filter(|&c| is_safe(c)).collect())
    }
}

/// Escapes what [`sanitize`] removes, and line breaks and tabs, so that a text is one line. The escapes are JSON's: a
/// JSON text stays the same JSON.
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

/// Returns whether [`sanitize`] keeps it. Of what Unicode calls default ignorable stays what scripts and emoji need:
/// ZWJ, ZWNJ, the sixteen variation selectors and Mongolian's own.
/// <https://www.unicode.org/Public/UCD/latest/ucd/DerivedCoreProperties.txt>
#[must_use]
pub fn is_safe(c: char) -> bool {
    match c {
        '\n' | '\t' | ' '..='~' => true,
        // Soft hyphen, grapheme joiner, Hangul and Khmer fillers, the Mongolian vowel separator and variation
        // selectors.
        '\u{AD}'
        | '\u{34F}'
        | '\u{115F}'..='\u{1160}'
        | '\u{17B4}'..='\u{17B5}'
        | '\u{180B}'..='\u{180F}'
        | '\u{3164}'
        | '\u{FFA0}'
        // Bidi marks, embeddings, overrides and isolates; zero-width space, word joiner, invisible operators, BOM.
        | '\u{61C}'
        | '\u{200B}'
        | '\u{200E}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}'
        | '\u{FEFF}'
        // Variation selectors, of which only those of emoji are used in texts.
        | '\u{FE00}'..='\u{FE0D}'
        // Line and paragraph separators; interlinear annotations.
        | '\u{2028}'..='\u{2029}'
        | '\u{FFF0}'..='\u{FFFB}'
        // Format controls of shorthand and musical notation; tags and the supplement of the variation selectors.
        | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}'
        | '\u{E0000}'..='\u{E0FFF}' => false,
        c => !c.is_control(),
    }
}

/// Beginnings of OpenAI's keys and of the tokens of our own callers.
// Other vendors have taken `sk-` over, such as OpenRouter (`sk-or-`) and Anthropic (`sk-ant-`).
const KEYS: [&str; 2] = ["sk-", "mcpo_"];

/// Replaces everything that looks like a key: one of [`KEYS`] at the start of a word, 8 characters at least, some of
/// which an upstream may have starred out. Borrowed when there is none.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*' | '.');
    let mut redacted = String::new();
    let mut kept = 0;
    // By their first letters, in one pass: an upstream that repeats one beginning would have the rest searched for the
    // other each time.
    for (start, _) in text.match_indices(['s', 'm']) {
        let (before, key) = text.split_at(start);
        let begins = KEYS.iter().any(|prefix| key.starts_with(prefix));
        if start < kept || !begins || before.ends_with(|c: char| c.is_ascii_alphanumeric()) {
            continue;
        }
        let length = key.find(|c| !is_key(c)).unwrap_or(key.len());
        if length >= 8 {
            redacted.push_str(before.get(kept..).unwrap_or_default());
            redacted.push_str("[key]");
            kept = start + length;
        }
    }
    if kept == 0 { Cow::Borrowed(text) } else { Cow::Owned(redacted + text.get(kept..).unwrap_or_default()) }
}

/// The innermost cause of an error, which is the shortest to read.
#[must_use]
pub fn root_cause(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).last().map_or_else(String::new, ToString::to_string)
}

/// The known name that is most like this one; empty where none is known.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> &'a str {
    known.min_by_key(|known| strsim::damerau_levenshtein(name, known)).unwrap_or_default()
}

/// A value as it was meant where it was pasted with quotes around it, a byte order mark or other invisible characters.
#[must_use]
pub fn bare(value: &str) -> String {
    const QUOTES: [(char, char); 5] = [('"', '"'), ('\'', '\''), ('`', '`'), ('“', '”'), ('‘', '’')];
    let visible = sanitize(value);
    let mut bare = visible.trim();
    while let Some(inner) =
        QUOTES.iter().find_map(|&(open, close)| bare.strip_prefix(open)?.strip_suffix(close)).map(str::trim)
    {
        bare = inner;
    }
    // As mail and chat programs set off a link.
    let link = bare.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).filter(|inner| inner.contains("://"));
    link.unwrap_or(bare).to_owned()
}

/// Returns whether nobody filled a value in: `${NAME}`, `$NAME`, `$(NAME)`, `$env:NAME`, `%NAME%`, `{NAME}`,
/// `{{NAME}}`, `#{NAME}`, `<NAME>`, `@NAME@`, `__A_NAME__`, `[A_NAME]`, `process.env.NAME`, the example of a key
/// (`sk-...`, `your-api-key`), and nothing else.
#[must_use]
pub fn is_placeholder(value: &str) -> bool {
    let within = |open: &str, close: &str| value.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    let is_name = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let of_a_shell = value.strip_prefix('$').map(|name| name.strip_prefix("env:").unwrap_or(name));
    let is_capital =
        |word: &str| is_name(word) && word.contains('_') && !word.contains(|c: char| c.is_ascii_lowercase());
    within("${", "}").is_some()
        || [("$(", ")"), ("#{", "}"), ("{", "}"), ("@", "@")]
            .iter()
            .any(|(open, close)| within(open, close).is_some_and(is_name))
        || within("__", "__").is_some_and(is_capital)
        || within("[", "]").is_some_and(is_capital)
        || value.strip_prefix("process.env.").is_some_and(is_name)
        || within("{{", "}}").is_some()
        || within("<", ">").is_some()
        || within("%", "%").is_some_and(is_name)
        || of_a_shell.is_some_and(is_name)
        || unfilled::is_example_key(value)
}

/// Returns whether a file's name is a device's on Windows, whatever its extension.
/// <https://learn.microsoft.com/windows/win32/fileio/naming-a-file#naming-conventions>
#[must_use]
pub fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    // The raised digits of Latin-1 count to Windows, too.
    let is_digit = |n: &str| matches!(n.as_bytes(), [b'0'..=b'9']) || matches!(n, "¹" | "²" | "³");
    let is_numbered = |device| stem.strip_prefix(device).is_some_and(is_digit);
    matches!(stem.as_str(), "con" | "prn" | "aux" | "nul") || is_numbered("com") || is_numbered("lpt")
}

/// A whole text in UTF-8, or in UTF-16 with its byte order mark; without that mark. `None` when it is neither.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<String> {
    match bytes {
        // The `>` of Windows PowerShell writes this: keys and notes came so.
        // <https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_character_encoding>
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => std::str::from_utf8(bytes).ok().map(|text| text.trim_start_matches('\u{feff}').to_owned()),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (units, rest) = bytes.as_chunks::<2>();
    char::decode_utf16(units.iter().map(|&pair| unit(pair))).collect::<Result<_, _>>().ok().filter(|_| rest.is_empty())
}

/// The text behind a model's own thoughts, where its server leaves them in: all up to the last end of them.
#[must_use]
pub fn behind_thoughts(text: &str) -> &str {
    const ENDS: [&str; 3] = ["</think>", "</thinking>", "</reasoning>"];
    const BEGINS: [&str; 3] = ["<think>", "<thinking>", "<reasoning>"];
    let is_begun = BEGINS.iter().any(|begin| text.trim_start().starts_with(begin));
    // Thoughts that were cut off hold no answer.
    if is_begun && !ENDS.iter().any(|end| text.contains(end)) {
        return "";
    }
    let behind = |end| text.rsplit_once(end).map_or(text, |(_thoughts, rest)| rest);
    // The end alone may be there: the templates of some models, such as DeepSeek-R1, write the beginning into
    // the prompt.
    ENDS.into_iter().map(behind).min_by_key(|rest| rest.len()).unwrap_or(text)
}

/// A name of somebody else's for people to see: [`brief`], and hidden where it looks like a key in the wrong place.
/// Keys of no known beginning are long words of letters and digits.
#[must_use]
pub fn name(word: &str) -> String {
    const SHORTEST_KEY: usize = 20;
    let is_piece = |piece: &str| {
        let has = |kind: fn(&u8) -> bool| piece.bytes().any(|byte| kind(&byte));
        piece.len() >= SHORTEST_KEY && has(u8::is_ascii_alphabetic) && has(u8::is_ascii_digit)
    };
    let is_key =
        matches!(redact(word), Cow::Owned(_)) || word.split(|c: char| !c.is_ascii_alphanumeric()).any(is_piece);
    if is_key { "(hidden: it looks like a key)".to_owned() } else { brief(word, 60) }
}

/// A size for people: `812 B`, `1.9 MB`. Thousands, as file browsers count.
#[must_use]
pub fn bytes(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let (count, exact) = (count as f64, count);
    match exact {
        0..1_000 => format!("{exact} B"),
        // What would round to 1000 kB is a megabyte.
        1_000..999_500 => format!("{:.0} kB", count / 1e3),
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

/// The text behind percent-encoding (RFC 3986, 2.1); a `%` that begins none stays.
#[must_use]
pub fn percent_decoded(encoded: &str) -> String {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        // Rust also reads `+5` as a number.
        let code = after.get(..2).filter(|code| *first == b'%' && code.iter().all(u8::is_ascii_hexdigit));
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            bytes.push(byte);
            rest = after.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_three_digits_at_most_before_its_unit_changes() {
        let read = [999, 1_000, 999_499, 999_500, 1_900_000].map(bytes);
        assert_eq!(read, ["999 B", "1 kB", "999 kB", "1.0 MB", "1.9 MB"]);
    }

    #[test]
    fn percent_codes_are_two_hexadecimal_digits() {
        assert_eq!(percent_decoded("a%20b%C3%A9%+5%4%zz%"), "a bé%+5%4%zz%");
    }

    #[test]
    fn i06_escapes_bidi_and_tags_lose_their_power() {
        assert_eq!(sanitize("\u{1b}]52;c;cGFz\u{7}red\u{1b}[31m\0"), "]52;c;cGFzred[31m");
        assert_eq!(sanitize("gpj\u{202e}.exe \u{2067}x\u{2069}\u{61c}"), "gpj.exe x");
        assert_eq!(sanitize("a\u{e0041}\u{e007f}\u{feff}b\u{200b}\r\nc"), "ab\nc");
        assert_eq!(sanitize("\u{9b}31m"), "31m");
        let hidden = "\u{ad}\u{34f}\u{115f}\u{180b}\u{180e}\u{180f}\u{fe00}\u{fe0d}\u{2028}\
            \u{2029}\u{3164}\u{fff9}\u{fffb}\u{ffa0}\u{1d173}\u{e0100}\u{e01ef}";
        for hidden in hidden.chars() {
            assert_eq!(sanitize(&format!("a{hidden}b")), "ab", "{hidden:?}");
        }
    }

    #[test]
    fn a_name_that_looks_like_a_key_is_hidden() {
        for key in
            ["sk-proj-abcdefgh", "gsk_0123456789abcdefghij", "0123456789abcdef0123456789abcdef", "x.sk-12345678.y"]
        {
            assert_eq!(name(key), "(hidden: it looks like a key)", "{key}");
        }
        for word in ["claude-code", "clients.cursor-vscode.preview", "opnai", "gpt-6.2-sol", ""] {
            assert_eq!(name(word), word);
        }
    }

    #[test]
    fn i07_a_key_is_hidden_wherever_it_begins_a_word() {
        for (text, hidden) in [
            ("key: sk-proj-abcdefgh, mcpo_0123456789", "key: [key], [key]"),
            ("task-sk-proj-abcdefgh", "task-[key]"),
            ("https://desk-1.example.sk-abcdefgh/", "https://desk-1.example.[key]/"),
            ("Füchse mask-sk-****abcd.", "Füchse mask-[key]"),
        ] {
            assert_eq!(redact(text), hidden, "{text}");
        }
        for text in ["task-list-of-many-words", "sk-abc", "ask-sk-abcd", "", "schmaler Fuß"] {
            assert!(matches!(redact(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn what_people_write_passes_untouched() {
        let text = "Füchse — 👩‍🚀 ❤\u{fe0f}, می‌خواهم\n\t日本語";
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
