//! The table: what was reached, beside its floor and its goal.

use serde_json::{Value, json};

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
    /// Ours, in every round.
    Exactly(f64),
    /// For the reader to know.
    None,
}

/// How a figure stands to its goal. A busy moment of the machine meets a round of ours or of the floor, so that single
/// rounds tell nothing: a goal is missed by more than the noise when three rounds of four miss it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Reached,
    /// The median misses the goal, a quarter of the rounds does not.
    WithinNoise,
    Missed,
}

/// What a figure counts; values are in seconds, bytes or 1/s.
#[derive(Clone, Copy)]
pub enum Unit {
    Time,
    Memory,
    Rate,
    /// Of calls.
    Count,
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
    print_line(row.name, &ours, &floor, floor_name, &ratio, &row.goal_and_verdict());
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

    /// Ours over the floor, round by round: both were measured in the same moment.
    fn ratios(&self) -> Figure {
        let floor = self.floor.iter().flat_map(|(_, floor)| floor.rounds());
        self.ours.rounds().zip(floor).map(|(ours, floor)| ours / floor).collect()
    }

    /// `None` where there is no goal.
    pub fn verdict(&self) -> Option<Verdict> {
        let ratio = self.ratio().unwrap_or(f64::NAN);
        let (low, high) = self.ratios().spread();
        let (reached, at_times) = match self.goal {
            Goal::RatioAtMost(most) => (ratio <= most, low <= most),
            Goal::RatioAtLeast(least) => (ratio >= least, high >= least),
            Goal::AtMost(most) => (self.ours.median() <= most, self.ours.spread().0 <= most),
            Goal::Exactly(number) => {
                let always = self.ours.rounds().all(|ours| ours == number);
                (always, always)
            }
            Goal::None => return None,
        };
        Some(match (reached, at_times) {
            (true, _) => Verdict::Reached,
            (false, true) => Verdict::WithinNoise,
            (false, false) => Verdict::Missed,
        })
    }

    /// All that was measured, in base units.
    pub fn raw(&self) -> Value {
        let rounds = |figure: &Figure| figure.rounds().collect::<Vec<_>>();
        json!({
            "name": self.name.trim(),
            "unit": self.unit.base(),
            "median": self.ours.median(),
            "rounds": rounds(&self.ours),
            "floor": self.floor.as_ref().map(|(name, floor)| {
                json!({ "name": name, "median": floor.median(), "rounds": rounds(floor), "ratio": self.ratio() })
            }),
            "goal": self.goal_and_verdict().trim(),
        })
    }

    fn goal_and_verdict(&self) -> String {
        let goal = match self.goal {
            Goal::RatioAtMost(most) => format!("<= {most}x"),
            Goal::RatioAtLeast(least) => format!(">= {least}x"),
            Goal::AtMost(most) => format!("<= {}", self.unit.value(most)),
            Goal::Exactly(number) => format!("= {}", self.unit.number(number)),
            Goal::None => String::new(),
        };
        let verdict = match self.verdict() {
            Some(Verdict::Reached) => "reached",
            Some(Verdict::WithinNoise) => "missed within the noise",
            Some(Verdict::Missed) => "MISSED",
            None => "",
        };
        format!("{goal:<11} {verdict}")
    }
}

impl Unit {
    fn base(self) -> &'static str {
        match self {
            Self::Time => "s",
            Self::Memory => "B",
            Self::Rate => "1/s",
            Self::Count => "calls",
        }
    }

    fn figure(self, figure: &Figure) -> String {
        let (low, high) = figure.spread();
        format!("{} ({}..{})", self.value(figure.median()), self.number(low), self.number(high))
    }

    fn value(self, value: f64) -> String {
        let unit = match self {
            Self::Time => "ms",
            Self::Memory => "MB",
            Self::Rate => "/s",
            Self::Count => "calls",
        };
        format!("{} {unit}", self.number(value))
    }

    fn number(self, value: f64) -> String {
        match self {
            Self::Time => significant(value * 1e3),
            Self::Memory => significant(value / 1e6),
            Self::Rate | Self::Count => format!("{value:.0}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ours: &[f64], goal: Goal) -> Row {
        let floor = Some(("floor", ours.iter().map(|_| 2.0).collect()));
        Row { name: "", unit: Unit::Time, ours: ours.iter().copied().collect(), floor, goal }
    }

    #[test]
    fn a_goal_is_missed_when_three_rounds_of_four_miss_it() {
        let verdict = |ours: &[f64], goal| row(ours, goal).verdict();
        let rounds = [2.0, 2.0, 4.0, 4.0, 4.0];
        assert_eq!(verdict(&rounds, Goal::RatioAtMost(2.0)), Some(Verdict::Reached));
        assert_eq!(verdict(&rounds, Goal::RatioAtMost(1.5)), Some(Verdict::WithinNoise));
        assert_eq!(verdict(&rounds, Goal::RatioAtMost(0.9)), Some(Verdict::Missed));
        assert_eq!(verdict(&[2.0, 2.0, 2.0, 4.0, 4.0], Goal::RatioAtLeast(1.5)), Some(Verdict::WithinNoise));
        assert_eq!(verdict(&rounds, Goal::RatioAtLeast(2.1)), Some(Verdict::Missed));
        assert_eq!(verdict(&rounds, Goal::AtMost(3.0)), Some(Verdict::WithinNoise));
        assert_eq!(verdict(&rounds, Goal::None), None);
    }
}
