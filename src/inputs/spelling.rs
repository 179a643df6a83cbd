//! File names as people and models copy them: with one blank for another, an accent in one piece or in two, a straight
//! apostrophe for a curved one, as a shell would have them, or with quotes and a line break around. Two names that read
//! alike have one reading.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use unicode_normalization::UnicodeNormalization;

use crate::text;

/// Entries of a folder that are compared; one with more is not a folder that a person keeps pictures in.
const MOST_ENTRIES: usize = 100_000;

/// The entries of a folder that read as a name does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SimilarNames {
    None,
    One(OsString),
    /// In the order of their bytes.
    Several(Vec<OsString>),
}

impl SimilarNames {
    pub(super) fn find(wanted: &OsStr, entries: impl Iterator<Item = OsString>) -> Self {
        let Some(wanted) = wanted.to_str().map(reading) else { return Self::None };
        let is_near = |entry: &OsString| entry.to_str().is_some_and(|entry| reading(entry) == wanted);
        // Never the first of several: to send another file than was meant cannot be taken back.
        let mut near: Vec<_> = entries.take(MOST_ENTRIES).filter(is_near).collect();
        near.sort_unstable();
        match near.len() {
            0 => Self::None,
            1 => near.pop().map_or(Self::None, Self::One),
            _ => Self::Several(near),
        }
    }
}

/// The path with the reading of each of its names.
pub(super) fn reading_of(path: &Path) -> PathBuf {
    path.iter().map(|name| name.to_str().map_or_else(|| name.to_owned(), |name| reading(name).into())).collect()
}

/// The part of a path below a folder, where the folder's names read as the path's first ones do.
pub(super) fn below(folder: &Path, path: &Path) -> Option<PathBuf> {
    let mut names = path.components();
    for expected in folder.components() {
        let [expected, name] = [expected.as_os_str(), names.next()?.as_os_str()].map(OsStr::to_str);
        if reading(expected?) != reading(name?) {
            return None;
        }
    }
    Some(names.as_path().to_owned())
}

/// A path without what is pasted around it: blanks, quotes, angle brackets, the `@` of a mention.
pub fn pasted(path: &str) -> String {
    let bare = text::bare(path);
    let within = bare.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(&bare);
    // `@types` is a folder of its own.
    let mentioned = within.strip_prefix('@').filter(|rest| rest.starts_with(['/', '~', '.', '"', '\'']));
    text::bare(mentioned.unwrap_or(within))
}

/// A path without the `@` of a mention and the line that an editor names after it: `src/main.rs:12`,
/// `src/main.rs#L3-L9`.
pub fn mentioned(path: &Path) -> Option<PathBuf> {
    let given = path.to_str()?;
    let is_line = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || ":-L".contains(c));
    let end = given.find("#L").or_else(|| given.find(':').filter(|at| *at > 1)).map_or(given.len(), |at| at + 1);
    let (bare, line) = given.split_at_checked(end)?;
    let bare = if is_line(line) { bare.get(..end - 1)? } else { given };
    let bare = bare.strip_prefix('@').unwrap_or(bare);
    (bare != given).then(|| bare.into())
}

/// The reading of a name: composed (NFC), all blanks in a row as one, apostrophes straight, without a shell's
/// backslashes and what stands around it.
fn reading(name: &str) -> String {
    let mut reading = String::with_capacity(name.len());
    // The older file system of macOS keeps names decomposed, and models write them composed.
    // <https://developer.apple.com/library/archive/technotes/tn/tn1150.html#UnicodeSubtleties>
    let mut characters = name.nfc().peekable();
    while let Some(c) = characters.next() {
        let escapes = c == '\\' && cfg!(unix) && characters.peek().is_some_and(|next| !next.is_alphanumeric());
        if !escapes {
            match c {
                // macOS writes U+202F into the names of screenshots, and models copy it as a plain blank.
                c if c.is_whitespace() && reading.ends_with(' ') => {}
                c if c.is_whitespace() => reading.push(' '),
                '\u{2018}' | '\u{2019}' | '\u{2bc}' => reading.push('\''),
                c => reading.push(c),
            }
        }
    }
    text::bare(&reading)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn names_that_people_take_for_the_same_read_the_same() {
        let expected = reading("Caf\u{e9} 3.15 PM.png");
        for name in [
            "Cafe\u{301} 3.15\u{202f}PM.png",
            "Caf\u{e9}\u{a0}3.15 PM.png",
            "Caf\u{e9}\\ 3.15\\ PM.png",
            "'Caf\u{e9} 3.15 PM.png'",
            "\"Caf\u{e9} 3.15 PM.png\"",
            "Caf\u{e9} 3.15 PM.png\n",
            "Caf\u{e9}  3.15 PM.png",
        ] {
            assert_eq!(reading(name), expected, "{name:?}");
        }
        for other in ["Cafe 3.15 PM.png", "Caf\u{e9} 3.15PM.png", "caf\u{e9} 3.15 PM.png", ""] {
            assert_ne!(reading(other), expected, "{other:?}");
        }
    }

    #[test]
    fn what_is_pasted_around_a_path_is_not_of_it() {
        for around in [" /a b.md", "\n/a b.md ", "“/a b.md”", "`/a b.md`", "</a b.md>", "@/a b.md", "@\"/a b.md\""]
        {
            assert_eq!(pasted(around), "/a b.md", "{around:?}");
        }
        for path in ["/a b.md", "@types/a.ts", "a<b>.md", "src/**/*", "it's.md"] {
            assert_eq!(pasted(path), path);
        }
    }

    #[test]
    fn a_mention_is_the_path_in_it() {
        let bare = |path: &str| mentioned(Path::new(path)).map(|path| path.display().to_string());
        for mention in ["@src/a.rs", "src/a.rs:12", "src/a.rs:12:5", "src/a.rs:3-9", "src/a.rs#L12", "@src/a.rs#L3-L9"]
        {
            assert_eq!(bare(mention).as_deref(), Some("src/a.rs"), "{mention}");
        }
        for path in ["src/a.rs", "src/a.rs:", "src/a:b.rs", "C:/a.rs", "a#b.md", ""] {
            assert_eq!(bare(path), None, "{path}");
        }
    }

    #[test]
    fn a_folder_is_one_by_whole_names() {
        let rest = |folder: &str, path: &str| below(Path::new(folder), Path::new(path));
        assert_eq!(rest("/My Pictures", "/My\u{a0}Pictures/a/b.png"), Some("a/b.png".into()));
        assert_eq!(rest("/out", "/out-evil/a.png"), None);
        assert_eq!(rest("/out/a", "/out"), None);
    }
}
