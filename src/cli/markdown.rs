//! A model's Markdown on a terminal, line by line as it comes: nothing that was printed is printed again. A parser of
//! whole documents would have to wait for the end of a list or of a fence. Also finds the first block of code.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

use self::span::{BOLD, DIM, RESET, spans};

mod span;

/// A line that is longer is hard to read, however wide the terminal; in columns.
const WIDEST: usize = 100;
/// Blanks before each line of code.
const CODE_INDENT: &str = "    ";

/// An answer on its way to a terminal.
#[derive(Debug)]
pub(super) struct Rendering {
    /// The width of a line, in columns.
    width: usize,
    /// The beginning of a line whose end has not come.
    pending: String,
    fence: Option<Fence>,
    /// Rows that are shown once the last one has come and all widths are known.
    table: Vec<String>,
}

/// The opening line of a block of code.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fence {
    mark: char,
    length: usize,
    /// Blanks before it, which its lines have, too.
    indent: usize,
    language: String,
}

impl Rendering {
    pub(super) fn new(columns: usize) -> Self {
        Self { width: columns.clamp(20, WIDEST), pending: String::new(), fence: None, table: Vec::new() }
    }

    /// Takes a piece of the answer; gives the lines that it completes.
    pub(super) fn push(&mut self, piece: &str) -> String {
        let mut shown = String::new();
        self.pending.push_str(piece);
        while let Some(end) = self.pending.find('\n') {
            let line: String = self.pending.drain(..=end).collect();
            self.line(&line, &mut shown);
        }
        shown
    }

    /// The rest, once all has come.
    pub(super) fn finish(&mut self) -> String {
        let mut shown = String::new();
        let last = std::mem::take(&mut self.pending);
        if !last.is_empty() {
            self.line(&last, &mut shown);
        }
        self.end_table(&mut shown);
        shown
    }

    fn line(&mut self, line: &str, out: &mut String) {
        let line = line.trim_end();
        if let Some(fence) = &self.fence {
            if fence.is_closed_by(line) {
                self.fence = None;
            } else {
                let _ = writeln!(out, "{}", format!("{CODE_INDENT}{}", fence.without_indent(line)).trim_end());
            }
            return;
        }
        if line.trim_start().starts_with('|') {
            // Held back: the widths of columns are known only with the last row.
            self.table.push(line.trim().to_owned());
            return;
        }
        self.end_table(out);
        match Fence::opened_by(line) {
            Some(fence) => {
                if !fence.language.is_empty() {
                    let _ = writeln!(out, "{DIM}{CODE_INDENT}{}{RESET}", fence.language);
                }
                self.fence = Some(fence);
            }
            None => self.text(line, out),
        }
    }

    /// A line that is no code and no row.
    fn text(&self, line: &str, out: &mut String) {
        let body = line.trim_start();
        let indent = " ".repeat(line.len() - body.len());
        if body.is_empty() {
            out.push('\n');
        } else if let Some((level, title)) = heading(body) {
            let style = if level == 1 { "\x1b[1;4m" } else { BOLD };
            self.wrapped(&format!("{style}{}{RESET}", spans(title, style)), "", "", out);
        } else if is_rule(body) {
            let _ = writeln!(out, "{DIM}{}{RESET}", "─".repeat(self.width.min(40)));
        } else if let Some(quoted) = body.strip_prefix('>') {
            let bar = format!("{indent}{DIM}│{RESET} ");
            self.wrapped(&spans(quoted.trim_start(), ""), &bar, &bar, out);
        } else if let Some((mark, item)) = item(body) {
            let first = format!("{indent}{mark} ");
            let rest = " ".repeat(first.width());
            self.wrapped(&spans(item, ""), &first, &rest, out);
        } else {
            self.wrapped(&spans(body, ""), &indent, &indent, out);
        }
    }

    /// Words in lines within the width. A style goes on over the end of a line.
    fn wrapped(&self, text: &str, first: &str, rest: &str, out: &mut String) {
        let mut column = visible(first);
        out.push_str(first);
        let mut is_first_word = true;
        for word in text.split_whitespace() {
            let width = visible(word);
            if !is_first_word && column + 1 + width > self.width {
                out.push('\n');
                out.push_str(rest);
                column = visible(rest);
            } else if !is_first_word {
                out.push(' ');
                column += 1;
            }
            out.push_str(word);
            column += width;
            is_first_word = false;
        }
        out.push('\n');
    }

    /// Rows in columns, where they fit; one below the other, where they do not.
    fn end_table(&mut self, out: &mut String) {
        let rows: Vec<Vec<String>> =
            self.table.drain(..).filter(|row| !is_delimiter(row)).map(|row| cells(&row)).collect();
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| visible(cell)).max();
        let widths: Vec<usize> = (0..columns).map(|column| widest(column).unwrap_or(0)).collect();
        let fits = widths.iter().sum::<usize>() + 2 * columns.saturating_sub(1) <= self.width;
        for (number, row) in rows.iter().enumerate() {
            let (style, end) = if number == 0 { (BOLD, RESET) } else { ("", "") };
            if fits {
                let padding = row.iter().zip(&widths).map(|(cell, width)| width.saturating_sub(visible(cell)));
                let padded = row.iter().zip(padding).map(|(cell, blanks)| format!("{style}{cell}{end}{:blanks$}", ""));
                let _ = writeln!(out, "{}", padded.collect::<Vec<_>>().join("  ").trim_end());
            } else {
                self.wrapped(&format!("{style}{}{end}", row.join(" | ")), "", "  ", out);
            }
        }
    }
}

impl Fence {
    fn opened_by(line: &str) -> Option<Self> {
        let body = line.trim_start();
        let mark = body.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
        let info = body.trim_start_matches(mark);
        let length = body.len() - info.len();
        // In a line as ```` ```a``` ```` the marks are those of a span.
        // <https://spec.commonmark.org/0.31.2/#fenced-code-blocks>
        if length < 3 || (mark == '`' && info.contains('`')) {
            return None;
        }
        let language = info.split_whitespace().next().unwrap_or_default().to_owned();
        Some(Self { mark, length, indent: line.len() - body.len(), language })
    }

    fn is_closed_by(&self, line: &str) -> bool {
        let marks = line.trim();
        marks.chars().count() >= self.length && marks.chars().all(|mark| mark == self.mark)
    }

    fn without_indent<'a>(&self, line: &'a str) -> &'a str {
        let blanks = line.chars().take(self.indent).take_while(|c| *c == ' ').count();
        line.get(blanks..).unwrap_or(line)
    }
}

/// The first fenced block of code, without its fences; to the end of the text where it is not closed.
pub(super) fn first_block(text: &str) -> Option<String> {
    let mut lines = text.lines();
    let fence = lines.by_ref().find_map(Fence::opened_by)?;
    let body = lines.take_while(|line| !fence.is_closed_by(line));
    Some(body.map(|line| fence.without_indent(line).to_owned() + "\n").collect())
}

/// The level and the text of a heading.
fn heading(body: &str) -> Option<(usize, &str)> {
    let title = body.trim_start_matches('#');
    let level = body.len() - title.len();
    let title = title.strip_prefix(' ').filter(|_| (1..=6).contains(&level))?;
    Some((level, title.trim().trim_end_matches('#').trim_end()))
}

fn is_rule(body: &str) -> bool {
    ['-', '*', '_']
        .iter()
        .any(|mark| body.chars().filter(|c| c == mark).count() >= 3 && body.chars().all(|c| c == *mark || c == ' '))
}

/// The mark of a list's item, as it is shown, and its text.
fn item(body: &str) -> Option<(&str, &str)> {
    let (mark, text) = body.split_once(' ')?;
    let number = mark.strip_suffix(['.', ')']);
    // Nine digits at most: ten overflow in some readers. <https://spec.commonmark.org/0.31.2/#list-items>
    let is_number = number.is_some_and(|number| number.len() < 10 && number.parse::<u32>().is_ok());
    match mark {
        "-" | "*" | "+" => Some(("•", text)),
        mark if is_number => Some((mark, text)),
        _ => None,
    }
}

fn is_delimiter(row: &str) -> bool {
    row.contains('-') && row.chars().all(|c| matches!(c, '|' | '-' | ':' | ' '))
}

/// The cells of a row, as they are shown.
fn cells(row: &str) -> Vec<String> {
    // No answer has it: control characters are taken out before an answer is shown.
    const ESCAPED: &str = "\u{1}";
    let row = row.replace("\\|", ESCAPED);
    let inner = row.strip_prefix('|').unwrap_or(&row);
    let inner = inner.strip_suffix('|').unwrap_or(inner);
    inner.split('|').map(|cell| spans(cell.trim().replace(ESCAPED, "|").as_str(), "")).collect()
}

/// The columns that a text takes, escape sequences left out.
fn visible(styled: &str) -> usize {
    let mut pieces = styled.split("\x1b[");
    let first = pieces.next().map_or(0, UnicodeWidthStr::width);
    first + pieces.filter_map(|piece| piece.split_once('m')).map(|(_, text)| text.width()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = include_str!("markdown/answer.md");

    fn rendered(columns: usize, pieces: impl Iterator<Item = String>) -> String {
        let mut rendering = Rendering::new(columns);
        let lines: String = pieces.map(|piece| rendering.push(&piece)).collect();
        lines + &rendering.finish()
    }

    #[test]
    fn an_answer_reads_well_and_every_cut_of_its_stream_shows_the_same() {
        let whole = rendered(60, [ANSWER.to_owned()].into_iter());
        insta::assert_snapshot!(whole.replace('\x1b', "␛"));
        assert_eq!(rendered(60, ANSWER.chars().map(String::from)), whole);
    }

    #[test]
    fn a_line_is_shown_once_it_is_whole() {
        let mut rendering = Rendering::new(80);
        assert_eq!(rendering.push("Some **bo"), "");
        assert_eq!(rendering.push("ld**\nand"), "Some \x1b[1mbold\x1b[0m\n");
        assert_eq!(rendering.finish(), "and\n");
    }

    #[test]
    fn the_first_block_is_what_stands_between_its_fences() {
        assert_eq!(first_block("Run:\n\n```sh\nls\n\nrm x\n```\nor\n```\nno\n```\n").unwrap(), "ls\n\nrm x\n");
        assert_eq!(first_block("1. so:\n   ~~~\n   a\n     b\n   ~~~\n").unwrap(), "a\n  b\n");
        assert_eq!(first_block("````md\n```\ncode\n```\n````\n").unwrap(), "```\ncode\n```\n");
        assert_eq!(first_block("```\ncut").unwrap(), "cut\n");
        assert_eq!(first_block("no `code` block"), None);
    }
}
