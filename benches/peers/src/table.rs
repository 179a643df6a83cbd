//! The table: what was reached, beside its floor and its goal.

use crate::figures::Figure;

pub struct Row {
    pub name: &'static str,
    pub unit: Unit,
    pub ours: Figure,
    pub floor: Option<(&'static str, Figure)>,
    pub goal: Goal,
}

#[derive(Clone, Copy)]
pub enum Goal {
    /// Ours over the floor, at most.
    RatioAtMost(f64),
    /// Ours over the floor, at least.
    RatioAtLeast(f64),
    /// Ours, in base units, at most.
    AtMost(f64),
    /// For the reader to know.
    None,
}

/// What a figure counts; values are in seconds, bytes or 1/s.
#[derive(Clone, Copy)]
pub enum Unit {
    Time,
    Memory,
    Rate,
}

pub fn print_head() {
    print_line("", "ours (middle half)", "floor (middle half)", "", "ratio", "goal");
    println!("{}", "-".repeat(136));
}

pub fn print(row: &Row) {
    let ours = row.unit.figure(&row.ours);
    let (floor_name, floor) = match &row.floor {
        Some((name, figure)) => (*name, row.unit.figure(figure)),
        None => ("", String::new()),
    };
    let ratio = row.ratio().map(|ratio| format!("{ratio:.2}x")).unwrap_or_default();
    print_line(row.name, &ours, &floor, floor_name, &ratio, &row.verdict());
}

/// What could not be measured, and why.
pub fn print_missing(what: &str, why: &anyhow::Error) {
    println!("{what:<31} not measured: {why:#}");
}

fn print_line(name: &str, ours: &str, floor: &str, floor_name: &str, ratio: &str, goal: &str) {
    let line = format!("{name:<31} {ours:>28} {floor:>28}  {floor_name:<16} {ratio:>6}  {goal}");
    println!("{}", line.trim_end());
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        self.floor.as_ref().map(|(_, floor)| self.ours.median() / floor.median())
    }

    fn verdict(&self) -> String {
        let ratio = self.ratio().unwrap_or(f64::NAN);
        let (goal, reached) = match self.goal {
            Goal::RatioAtMost(most) => (format!("<= {most}x"), ratio <= most),
            Goal::RatioAtLeast(least) => (format!(">= {least}x"), ratio >= least),
            Goal::AtMost(most) => (format!("<= {}", self.unit.value(most)), self.ours.median() <= most),
            Goal::None => return String::new(),
        };
        format!("{goal:<11} {}", if reached { "reached" } else { "MISSED" })
    }
}

impl Unit {
    fn figure(self, figure: &Figure) -> String {
        let (low, high) = figure.spread();
        format!("{} ({}..{})", self.value(figure.median()), self.number(low), self.number(high))
    }

    fn value(self, value: f64) -> String {
        let unit = match self {
            Self::Time => "ms",
            Self::Memory => "MB",
            Self::Rate => "/s",
        };
        format!("{} {unit}", self.number(value))
    }

    fn number(self, value: f64) -> String {
        match self {
            Self::Time => significant(value * 1e3),
            Self::Memory => significant(value / 1e6),
            Self::Rate => format!("{value:.0}"),
        }
    }
}

fn significant(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        small if small.abs() < 1.0 => format!("{small:.3}"),
        middle if middle.abs() < 100.0 => format!("{middle:.1}"),
        large => format!("{large:.0}"),
    }
}
