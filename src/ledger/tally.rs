//! What was paid, summed up.

use std::collections::BTreeMap;

use chrono::{Datelike, Months, NaiveDate, Utc};
use serde::Serialize;

use super::{
    Entry,
    book::{Book, Line},
};
use crate::money::Usd;

/// What a row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// UTC.
    Day,
    Model,
    Client,
}

/// All that was paid since a day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// In the order of their names; days come oldest first.
    pub rows: Vec<Row>,
    pub total: Sum,
    /// Lines of the book that cannot be read.
    pub skipped_lines: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    pub name: String,
    #[serde(flatten)]
    pub sum: Sum,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// Requests that were paid for, or may have been.
    pub calls: u64,
    pub input_tokens: u64,
    /// Part of `input_tokens`.
    pub cached_tokens: u64,
    pub output_tokens: u64,
    /// Of the calls whose cost is known.
    pub cost_usd: Usd,
    /// The other calls.
    pub calls_of_unknown_cost: u64,
}

impl Tally {
    pub(super) fn of(book: &Book, since: NaiveDate, by: By) -> Self {
        let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
        let mut tally = Self::default();
        for month in months(since, Utc::now().date_naive()) {
            let read = book.read(month, 0, |line| match line {
                Line::Entry(entry) if entry.at.date_naive() >= since => {
                    tally.total.add(&entry);
                    sums.entry(entry.name(by)).or_default().add(&entry);
                }
                Line::Entry(_) => {}
                Line::Foreign => tally.skipped_lines += 1,
            });
            if let Err(error) = read {
                tracing::warn!(%month, %error, "the book of a month cannot be read");
            }
        }
        tally.rows = sums.into_iter().map(|(name, sum)| Row { name, sum }).collect();
        tally
    }
}

impl Sum {
    /// The cost in words: with a `+` where it is not all, and [`Sum::NOT_ALL`] says what that is.
    #[must_use]
    pub fn cost(&self) -> String {
        match self.calls_of_unknown_cost {
            0 => self.cost_usd.to_string(),
            unknown if unknown == self.calls => "+".to_owned(),
            _ => format!("{}+", self.cost_usd),
        }
    }

    pub const NOT_ALL: &str = "A + stands for what is not known: no price, no usage, or an answer that never came.";

    fn add(&mut self, entry: &Entry) {
        let usage = entry.usage.unwrap_or_default();
        self.calls += 1;
        self.input_tokens = self.input_tokens.saturating_add(usage.input_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(usage.cached_tokens);
        self.output_tokens = self.output_tokens.saturating_add(usage.output_tokens);
        match entry.cost_usd {
            Some(cost) => self.cost_usd = self.cost_usd + cost,
            None => self.calls_of_unknown_cost += 1,
        }
    }
}

impl Entry {
    fn name(&self, by: By) -> String {
        match by {
            By::Day => self.at.date_naive().to_string(),
            By::Model => self.model.clone(),
            By::Client => self.client.clone(),
        }
    }
}

/// The first day of each month from one day to another.
fn months(from: NaiveDate, to: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    let first = from.with_day(1).unwrap_or(from);
    std::iter::successors(Some(first), |month| month.checked_add_months(Months::new(1)))
        .take_while(move |month| *month <= to)
}
