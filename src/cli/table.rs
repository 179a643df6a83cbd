//! Rows of text in columns, for a terminal, and how many of them.

use std::fmt::Write as _;

/// What can be said of a list of what was kept.
#[derive(Debug, clap::Args)]
pub struct ListOptions {
    /// How many
    #[arg(short, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub n: u32,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// The cells from this column on end alike, as numbers do.
pub fn align_numbers<const N: usize>(rows: &mut [[String; N]], from: usize) {
    for column in from..N {
        let width = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
        for cell in rows.iter_mut().filter_map(|row| row.get_mut(column)) {
            *cell = format!("{cell:>width$}");
        }
    }
}

/// Each column as wide as its widest cell, two spaces between; one line a row.
pub fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let characters = |cell: &String| cell.chars().count();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(characters).max().unwrap_or(0);
    let widths: Vec<_> = (0..N).map(width).collect();
    let mut table = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let _ = writeln!(table, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    table
}
