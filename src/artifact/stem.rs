//! File-name stems: any text in, a name out that every file system, shell and URI takes as it is.

use crate::text;

/// A file-name stem made safe: lower-case letters a to z, digits, `-` and `_`, 1 to 60 characters, no reserved name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stem(String);

/// Characters of a stem, which are bytes as well.
const LONGEST: usize = 60;

impl Stem {
    /// Makes a safe stem of any text: what is not a letter or digit becomes one `-`, an extension of a picture goes.
    /// `None` when nothing of it is left.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut stem = String::new();
        for c in without_extension(text).chars() {
            if stem.len() == LONGEST {
                break;
            }
            match c.to_ascii_lowercase() {
                c @ ('a'..='z' | '0'..='9' | '_') => stem.push(c),
                _ if stem.is_empty() || stem.ends_with('-') => {}
                _ => stem.push('-'),
            }
        }
        stem.truncate(stem.trim_end_matches('-').len());
        // With any extension, too. <https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file>
        if text::is_device(&stem) {
            stem.push('_');
        }
        (!stem.is_empty()).then_some(Self(stem))
    }

    /// Never empty, without an extension.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether a text already is a stem, letter by letter.
    pub(super) fn is_one(text: &str) -> bool {
        Self::parse(text).is_some_and(|stem| stem.0 == text)
    }
}

fn without_extension(text: &str) -> &str {
    match text.trim_end().rsplit_once('.') {
        Some((name, extension)) if ["png", "jpg", "jpeg", "webp"].iter().any(|e| extension.eq_ignore_ascii_case(e)) => {
            name
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i01_any_text_becomes_a_safe_stem_or_none() {
        let long = "long ".repeat(60);
        let cases = [
            ("Red fox", "red-fox"),
            ("red-fox.PNG", "red-fox"),
            ("v1.2 draft_3.jpeg", "v1-2-draft_3"),
            ("../x", "x"),
            ("/etc/passwd", "etc-passwd"),
            ("C:\\x", "c-x"),
            ("nul\0byte", "nul-byte"),
            ("CON", "con_"),
            ("com1.png", "com1_"),
            ("Coma", "coma"),
            ("a.png:b", "a-png-b"),
            ("invoice\u{202e}gnp.exe", "invoice-gnp-exe"),
            ("--fox--", "fox"),
            (&long, "long-long-long-long-long-long-long-long-long-long-long-long"),
        ];
        for (text, stem) in cases {
            assert_eq!(Stem::parse(text).unwrap().as_str(), stem, "{text}");
            assert!(Stem::is_one(stem), "{stem}");
        }
        for nothing in ["", "...", "../..", ".png", "日本", "\0", " - "] {
            assert_eq!(Stem::parse(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn only_letters_and_digits_of_a_megabyte_are_looked_at_once() {
        assert_eq!(Stem::parse(&"/".repeat(1 << 20)), None);
    }
}
