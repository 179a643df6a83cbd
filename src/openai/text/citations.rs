//! The sources that an answer names, and where. The upstream counts in its own text, part by part; here it is counted
//! in the text as it was written down: all parts in one, without the characters that were taken out.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use url::Url;

use crate::{
    openai::{
        Citation,
        transport::wire::{BorrowedText, Lenient},
    },
    text,
};

/// A title is cut to this many characters.
const TITLE: usize = 200;
/// An address that is longer than browsers take is none.
const LONGEST_URL: usize = 2_048;

/// The position of a part of an answer in its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct OutputPosition {
    pub output: u64,
    pub content: u64,
}

/// Citations of a text while it arrives.
#[derive(Default)]
pub(crate) struct Citations {
    /// Characters that came, those that were taken out included.
    came: usize,
    /// Which of them were taken out, in order.
    taken_out: Vec<usize>,
    /// Number of characters that had come when a part began.
    parts: BTreeMap<OutputPosition, usize>,
    cited: Vec<Cited>,
}

/// A source, and where it is cited in what came.
struct Cited {
    title: String,
    url: String,
    from: usize,
    to: usize,
}

/// `url_citation` of Responses, which is flat, and of Chat Completions, which has its fields in an object.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Annotation<'a> {
    #[serde(rename = "type", borrow)]
    kind: Lenient<BorrowedText<'a>>,
    url: Lenient<BorrowedText<'a>>,
    title: Lenient<BorrowedText<'a>>,
    start_index: Lenient<usize>,
    end_index: Lenient<usize>,
    url_citation: Lenient<Nested<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Nested<'a> {
    #[serde(borrow)]
    url: Lenient<BorrowedText<'a>>,
    title: Lenient<BorrowedText<'a>>,
    start_index: Lenient<usize>,
    end_index: Lenient<usize>,
}

impl Citations {
    /// Says that what comes now belongs to this part.
    pub(crate) fn begin(&mut self, part: OutputPosition) {
        self.parts.entry(part).or_insert(self.came);
    }

    /// Notes what came, and what was kept of it.
    pub(crate) fn note(&mut self, came: &str, kept: &str) {
        if came.len() != kept.len() {
            let taken_out = came.chars().enumerate().filter(|(_, c)| !text::is_safe(*c));
            self.taken_out.extend(taken_out.map(|(number, _)| self.came + number));
        }
        self.came += came.chars().count();
    }

    /// Takes a source that this part cites; anything else is nothing.
    pub(crate) fn cite(&mut self, part: OutputPosition, annotation: Annotation<'_>) {
        let Annotation { kind, url, title, start_index, end_index, url_citation } = annotation;
        let cited = match (url_citation.0, kind.text()) {
            (Some(nested), _) => nested,
            (None, Some("url_citation")) => Nested { url, title, start_index, end_index },
            _ => return,
        };
        let Some(url) = cited.url.text().and_then(public) else { return };
        let title = text::brief(&cited.title.text().unwrap_or_default().replace('\n', " "), TITLE);
        let title = if title.is_empty() { url.host_str().unwrap_or_default().to_owned() } else { title };
        let begin = self.begin_of(part);
        let place = |index: Lenient<usize>| begin.saturating_add(index.0.unwrap_or(0));
        let (from, to) = (place(cited.start_index), place(cited.end_index));
        self.cited.push(Cited { title, url: url.into(), from, to });
    }

    /// Forgets what was cited: the end repeats all of it.
    pub(crate) fn restart(&mut self) {
        self.cited.clear();
    }

    /// Each source once for each place.
    pub(crate) fn finish(self) -> Vec<Citation> {
        let mut seen = HashSet::new();
        let in_text = |place: usize| {
            // Upstreams count beyond what they sent, too.
            let place = place.min(self.came);
            // In order, as they came: so halving finds it.
            place - self.taken_out.partition_point(|&taken_out| taken_out < place)
        };
        let cited = self.cited.into_iter().map(|Cited { title, url, from, to }| {
            let start = in_text(from);
            Citation { title, url, range: start..in_text(to).max(start) }
        });
        cited.filter(|citation| seen.insert((citation.url.clone(), citation.range.clone()))).collect()
    }

    /// The offset at which a part begins; a server that does not number its parts has one.
    fn begin_of(&self, part: OutputPosition) -> usize {
        let only = || self.parts.values().next().filter(|_| self.parts.len() == 1);
        self.parts.get(&part).or_else(only).copied().unwrap_or(0)
    }
}

/// An address on the web: clients show it as a link, and `javascript:` or `data:` would run in it.
fn public(url: &str) -> Option<Url> {
    let url = Url::parse(url).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.as_str().len() <= LONGEST_URL).then_some(url)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FIRST: OutputPosition = OutputPosition { output: 1, content: 0 };
    const SECOND: OutputPosition = OutputPosition { output: 1, content: 1 };

    /// A text of two parts, written in pieces.
    fn written(parts: &[(OutputPosition, &[&str])]) -> (Citations, String) {
        let (mut citations, mut whole) = (Citations::default(), String::new());
        for (part, pieces) in parts {
            citations.begin(*part);
            for piece in *pieces {
                let kept = text::sanitize(piece);
                citations.note(piece, &kept);
                whole.push_str(&kept);
            }
        }
        (citations, whole)
    }

    fn cite(citations: &mut Citations, part: OutputPosition, annotation: &serde_json::Value) {
        citations.cite(part, serde_json::from_str(&annotation.to_string()).unwrap());
    }

    fn annotation(start: usize, end: usize) -> serde_json::Value {
        json!({"type": "url_citation", "url": "https://a.example/", "title": "A", "start_index": start, "end_index": end})
    }

    fn cited(citations: Citations, text: &str) -> Vec<String> {
        let characters: Vec<char> = text.chars().collect();
        citations.finish().into_iter().map(|citation| characters[citation.range].iter().collect()).collect()
    }

    #[test]
    fn ranges_hold_in_the_text_as_it_was_written_down() {
        let parts: [(OutputPosition, &[&str]); 2] =
            [(FIRST, &["\u{1b}[1mÄ", "\u{202e}b ", "😀c"]), (SECOND, &["x\u{200b}y", "z"])];
        let (mut citations, text) = written(&parts);
        assert_eq!(text, "[1mÄb 😀cxyz");
        // What the upstream counts: ESC [ 1 m Ä RLO b space 😀 c, and x ZWSP y z.
        for (part, start, end) in
            [(FIRST, 4, 7), (FIRST, 8, 10), (SECOND, 0, 3), (SECOND, 3, 4), (SECOND, 3, 99), (SECOND, 9, 2)]
        {
            cite(&mut citations, part, &annotation(start, end));
        }
        assert_eq!(cited(citations, &text), ["Äb", "😀c", "xy", "z", ""]);
    }

    #[test]
    fn the_same_for_every_split() {
        let came = "a\u{1b}[0m\u{200b}é😀\u{7}z";
        let characters: Vec<String> = came.chars().map(String::from).collect();
        for split in 0..=characters.len() {
            let (head, tail) = characters.split_at(split);
            let (mut citations, text) = written(&[(FIRST, &[&head.concat(), &tail.concat()])]);
            cite(&mut citations, FIRST, &annotation(6, 8));
            assert_eq!(cited(citations, &text), ["é😀"], "split at {split}");
        }
    }

    #[test]
    fn i06_a_source_is_an_address_on_the_web_with_a_title_fit_to_show() {
        let (mut citations, _) = written(&[(FIRST, &["text"])]);
        let of = |url: &str, title: &str| json!({"type": "url_citation", "url": url, "title": title});
        for annotation in [
            of("https://a.example/\u{202e}x y", "T\u{1b}[31mit\nle\u{200b}"),
            of("https://b.example/", ""),
            of("https://b.example/", "again"),
            of("javascript:alert(1)", "no"),
            of("file:///etc/passwd", "no"),
            of("nonsense", "no"),
            of(&format!("https://c.example/{}", "x".repeat(LONGEST_URL)), "no"),
            json!({"type": "file_citation", "url": "https://d.example/", "title": "no"}),
            json!({"type": "url_citation", "url_citation": {"url": "https://e.example/", "title": "nested"}}),
        ] {
            cite(&mut citations, FIRST, &annotation);
        }
        let shown: Vec<_> = citations.finish().into_iter().map(|c| (c.url, c.title)).collect();
        let expected = [
            ("https://a.example/%E2%80%AEx%20y", "T[31mit le"),
            ("https://b.example/", "b.example"),
            ("https://e.example/", "nested"),
        ];
        assert_eq!(shown, expected.map(|(url, title)| (url.to_owned(), title.to_owned())));
    }

    #[test]
    fn a_server_that_does_not_number_its_parts_has_one() {
        let (mut citations, text) = written(&[(OutputPosition::default(), &["ab"])]);
        cite(&mut citations, SECOND, &annotation(1, 2));
        assert_eq!(cited(citations, &text), ["b"]);
    }
}
