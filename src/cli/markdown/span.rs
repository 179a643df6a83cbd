//! Marks within a line of Markdown: bold, italic, code, links. A mark that nothing closes is shown as it is.

use std::fmt::Write as _;

pub(super) const BOLD: &str = "\x1b[1m";
pub(super) const DIM: &str = "\x1b[2m";
pub(super) const RESET: &str = "\x1b[0m";
const CODE: &str = "\x1b[36m";

/// Marks that stand on both sides of what they mean; the longer ones first.
const EMPHASES: [(&str, &str); 6] =
    [("***", "\x1b[1;3m"), ("**", BOLD), ("__", BOLD), ("~~", "\x1b[9m"), ("*", "\x1b[3m"), ("_", "\x1b[3m")];

/// The line with styles in place of its marks, within text that has the style `outer`.
pub(super) fn spans(line: &str, outer: &str) -> String {
    let mut shown = String::new();
    let (mut rest, mut before) = (line, None);
    while let Some(first) = rest.chars().next() {
        let span = code(rest).or_else(|| link(rest, outer)).or_else(|| emphasis(rest, before, outer));
        let after = if let Some(Marked { text, style, after }) = span {
            let (end, again) = if style.is_empty() { ("", "") } else { (RESET, outer) };
            let _ = write!(shown, "{style}{text}{end}{again}");
            after
        } else {
            let (plain, after) = escaped(rest).unwrap_or(rest.split_at(first.len_utf8()));
            shown.push_str(plain);
            after
        };
        before = rest.strip_suffix(after).and_then(|taken| taken.chars().next_back());
        rest = after;
    }
    shown
}

/// The beginning of a line that is marked.
struct Marked<'a> {
    text: String,
    style: &'static str,
    after: &'a str,
}

/// A punctuation mark behind a backslash.
fn escaped(rest: &str) -> Option<(&str, &str)> {
    let after = rest.strip_prefix('\\')?;
    after.starts_with(|c: char| c.is_ascii_punctuation()).then(|| after.split_at(1))
}

/// As many backquotes close it as open it.
fn code(rest: &str) -> Option<Marked<'_>> {
    let body = rest.trim_start_matches('`');
    let length = rest.len() - body.len();
    if length == 0 {
        return None;
    }
    let mut at = 0;
    while let Some(found) = body.get(at..)?.find('`') {
        let (inside, run) = body.split_at(at + found);
        let after = run.trim_start_matches('`');
        if run.len() - after.len() == length {
            let bare = inside.strip_prefix(' ').and_then(|inside| inside.strip_suffix(' ')).unwrap_or(inside);
            return Some(Marked { text: bare.to_owned(), style: CODE, after });
        }
        at = body.len() - after.len();
    }
    None
}

/// `[text](url)`, `![text](url)` and `<url>` as `text (url)`.
fn link<'a>(rest: &'a str, outer: &str) -> Option<Marked<'a>> {
    if let Some((url, after)) = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'))
        && (url.starts_with("http://") || url.starts_with("https://"))
    {
        return Some(Marked { text: url.to_owned(), style: "", after });
    }
    let (text, behind) = rest.strip_prefix('!').unwrap_or(rest).strip_prefix('[')?.split_once("](")?;
    let mut depth = 1;
    let end = behind.char_indices().find_map(|(at, c)| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        (depth == 0).then_some(at)
    })?;
    let (target, after) = behind.split_at(end);
    let url = target.split_whitespace().next().unwrap_or_default();
    let shown = if text == url || text.is_empty() { url.to_owned() } else { format!("{} ({url})", spans(text, outer)) };
    (!text.contains(['[', ']'])).then_some(Marked { text: shown, style: "", after: after.strip_prefix(')')? })
}

fn emphasis<'a>(rest: &'a str, before: Option<char>, outer: &str) -> Option<Marked<'a>> {
    EMPHASES.into_iter().find_map(|(mark, style)| {
        let body = rest.strip_prefix(mark)?;
        // `snake_case_name` is a word: `_` marks nothing within one.
        // <https://spec.commonmark.org/0.31.2/#emphasis-and-strong-emphasis>
        let opens = body.starts_with(|c: char| !c.is_whitespace())
            && !(mark.starts_with('_') && before.is_some_and(char::is_alphanumeric));
        let (inside, after) = if opens { closed(body, mark)? } else { return None };
        Some(Marked { text: spans(inside, &format!("{outer}{style}")), style, after })
    })
}

/// The text before the closing mark, and the rest behind it.
fn closed<'a>(body: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    let sign = mark.chars().next()?;
    let mut at = 0;
    loop {
        let (inside, rest) = body.split_at_checked(at)?;
        let first = rest.chars().next()?;
        if let Some(Marked { after, .. }) = code(rest) {
            at = body.len() - after.len();
            continue;
        }
        if let Some((_, after)) = escaped(rest) {
            at = body.len() - after.len();
            continue;
        }
        let behind = rest.trim_start_matches(sign);
        let run = rest.len() - behind.len();
        let is_inner = mark.len() == 1 && run == 2;
        if run >= mark.len() && !is_inner && inside.ends_with(|c: char| !c.is_whitespace()) {
            // Of a longer run, what is left over closes an inner mark.
            let (inside, rest) = body.split_at(at + run - mark.len());
            let after = rest.strip_prefix(mark)?;
            if sign != '_' || !after.starts_with(char::is_alphanumeric) {
                return Some((inside, after));
            }
        }
        at += run.max(first.len_utf8());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_styles_and_what_is_no_mark_stays() {
        let shown = |line: &str| {
            let names = [(RESET, "]"), ("\x1b[1;3m", "bi["), (BOLD, "b["), ("\x1b[3m", "i["), ("\x1b[9m", "s[")];
            let names = names.into_iter().chain([(CODE, "c[")]);
            names.fold(spans(line, ""), |shown, (style, name)| shown.replace(style, name))
        };
        for (line, expected) in [
            ("a **bold** and *slanted* word", "a b[bold] and i[slanted] word"),
            ("__b__ _i_ ~~gone~~ ***both***", "b[b] i[i] s[gone] bi[both]"),
            ("**outer *inner* outer**", "b[outer i[inner]b[ outer]"),
            ("*a **b** c*", "i[a b[b]i[ c]"),
            ("**a *b***", "b[a i[b]b[]"),
            ("snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4"),
            ("open ** never closed", "open ** never closed"),
            ("**never closed", "**never closed"),
            ("use `a*b*c` and ``x ` y``", "use c[a*b*c] and c[x ` y]"),
            ("**with `a**b` inside**", "b[with c[a**b]b[ inside]"),
            ("a `lone backquote", "a `lone backquote"),
            ("[the docs](https://a.example/x_(y)) here", "the docs (https://a.example/x_(y)) here"),
            ("![a fox](fox.png), <https://a.example>", "a fox (fox.png), https://a.example"),
            ("[no link] (really)", "[no link] (really)"),
            (r"\*not\* \_marked\_ C:\dir", r"*not* _marked_ C:\dir"),
            ("naïve **Füchse** 日本", "naïve b[Füchse] 日本"),
        ] {
            assert_eq!(shown(line), expected, "{line}");
        }
    }
}
