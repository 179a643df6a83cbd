//! Rows of text in columns, no wider than the terminal, and how many of them.

use std::{fmt::Write as _, io, ops::Range};

use terminal_size::terminal_size_of;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Options of a listing.
#[derive(Debug, clap::Args)]
pub(super) struct ListOptions {
    /// Number of entries
    #[arg(short, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub n: u32,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Words to search for, and the form of what is found.
#[derive(Debug, clap::Args)]
pub(super) struct SearchOptions {
    /// Words that all have to occur
    #[arg(required = true)]
    pub words: Vec<String>,
    #[command(flatten)]
    pub list: ListOptions,
}

/// The width of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    /// In a file or a pipe: programs read on.
    Any,
    /// In columns, of which a wide character takes two.
    Terminal(usize),
}

impl Width {
    /// Of what stdout is.
    pub(super) fn of_stdout() -> Self {
        terminal_size_of(io::stdout()).map_or(Self::Any, |(width, _)| Self::Terminal(width.0.into()))
    }

    /// Of what stderr is.
    pub(super) fn of_stderr() -> Self {
        terminal_size_of(io::stderr()).map_or(Self::Any, |(width, _)| Self::Terminal(width.0.into()))
    }

    /// A text in lines that are no wider, with a line feed at its end.
    pub(super) fn paragraph(self, text: &str) -> String {
        self.lines(text, 0).join("\n") + "\n"
    }

    /// Its lines, each with room for `indent` blanks before it.
    pub(super) fn lines(self, text: &str, indent: usize) -> Vec<String> {
        match self {
            Self::Terminal(width) if text.width() + indent > width => wrapped(text, width.saturating_sub(indent)),
            Self::Any | Self::Terminal(_) => vec![text.to_owned()],
        }
    }
}

/// The treatment of a column's cells that are too wide for the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    Never,
    /// To this many characters at least, the beginning stays.
    End(usize),
    /// To this many characters at least, the end stays: where that is what tells ids apart.
    Start(usize),
    /// It goes on below itself; for the last column.
    Wrapped,
}

/// Blanks between two columns.
const GAP: usize = 2;
/// Columns that a wrapped column needs at least to be read.
const NARROWEST: usize = 20;

/// The cells of these columns end alike, as numbers do.
pub(super) fn align_right<const N: usize>(rows: &mut [[String; N]], columns: Range<usize>) {
    for column in columns {
        let width = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0);
        for cell in rows.iter_mut().filter_map(|row| row.get_mut(column)) {
            *cell = format!("{:1$}{cell}", "", width - cell.width());
        }
    }
}

/// Each column as wide as its widest cell, two spaces between; one line a row. Within `width`, the columns that may be
/// cut give way, the last one first. A column of empty cells takes no room.
pub(super) fn fitted<const N: usize>(rows: &[[String; N]], cuts: [Cut; N], width: Width) -> String {
    let mut widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0)
    });
    if let Width::Terminal(most) = width {
        let shown = widths.iter().filter(|width| **width > 0).count();
        let taken = widths.iter().sum::<usize>() + GAP * shown.saturating_sub(1);
        let mut excess = taken.saturating_sub(most);
        for (width, cut) in widths.iter_mut().zip(cuts).rev() {
            let least = match cut {
                Cut::Never => *width,
                Cut::End(least) | Cut::Start(least) => least.min(*width),
                Cut::Wrapped => NARROWEST.min(*width),
            };
            let given = excess.min(*width - least);
            *width -= given;
            excess -= given;
        }
    }
    let mut table = String::new();
    for row in rows {
        write_row(&mut table, row, cuts, widths);
    }
    table
}

fn write_row<const N: usize>(table: &mut String, row: &[String; N], cuts: [Cut; N], widths: [usize; N]) {
    let mut line = String::new();
    let mut below = Vec::new();
    for ((cell, cut), width) in row.iter().zip(cuts).zip(widths) {
        let shown = match cut {
            Cut::Never => cell.clone(),
            Cut::End(_) | Cut::Start(_) if cell.width() <= width => cell.clone(),
            Cut::End(_) => fitting(cell.chars(), width).chain(['…']).collect(),
            Cut::Start(_) => {
                let kept: Vec<_> = fitting(cell.chars().rev(), width).collect();
                ['…'].into_iter().chain(kept.into_iter().rev()).collect()
            }
            Cut::Wrapped => {
                let mut lines = wrapped(cell, width).into_iter();
                let first = lines.next().unwrap_or_default();
                let indent = line.width();
                below.extend(lines.map(|more| format!("{:indent$}{more}", "")));
                first
            }
        };
        if width > 0 {
            let _ = write!(line, "{shown}{:1$}", "", width.saturating_sub(shown.width()) + GAP);
        }
    }
    let _ = writeln!(table, "{}", line.trim_end());
    for line in below {
        let _ = writeln!(table, "{line}");
    }
}

/// The first characters that leave a column for an ellipsis.
fn fitting(characters: impl Iterator<Item = char>, width: usize) -> impl Iterator<Item = char> {
    let mut left = width.saturating_sub(1);
    characters.map_while(move |c| {
        left = left.checked_sub(c.width().unwrap_or(0))?;
        Some(c)
    })
}

/// Lines of whole words, each at most `width` columns where its words are.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> [[String; 3]; 2] {
        [
            ["id", "when", "what it shows"],
            ["20261122-105106-k3x9q2-red-fox.png", "noon", "a red fox in fresh snow, linocut"],
        ]
        .map(|row| row.map(str::to_owned))
    }

    #[test]
    fn a_table_is_as_wide_as_its_cells_or_as_the_terminal() {
        let cuts = [Cut::Start(12), Cut::Never, Cut::End(10)];
        let at = |width| fitted(&rows(), cuts, width);
        insta::assert_snapshot!([at(Width::Any), at(Width::Terminal(60)), at(Width::Terminal(40))].join("\n"));
        let wraps = fitted(&rows(), [Cut::Start(12), Cut::Never, Cut::Wrapped], Width::Terminal(40));
        insta::assert_snapshot!(wraps);
        assert!(wraps.lines().all(|line| line.chars().count() <= 40), "{wraps}");
    }

    #[test]
    fn wide_characters_take_two_columns() {
        let rows =
            [["狐と雪の中の朝の光", "雪の中の赤い狐"], ["id", "what it shows"]].map(|row| row.map(str::to_owned));
        let at = |cuts| fitted(&rows, cuts, Width::Terminal(20));
        let table = at([Cut::Start(6), Cut::End(6)]);
        assert!(table.lines().all(|line| line.width() <= 20), "{table}");
        assert_eq!(table.lines().next(), Some("…中の朝の光   雪の…"));
        assert_eq!(table.lines().nth(1), Some("id            what …"));
    }
}
