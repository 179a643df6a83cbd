//! Sums over the lines of the ledger.

use serde::Serialize;

use crate::{
    handle::Owner,
    money::{Usage, Usd},
    store::columns::{OfRow, StoreRow, usd},
};

/// Spending of one caller, as its budgets count it; what is reserved is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerSpending {
    /// The caller's name.
    pub caller: String,
    /// US dollars of the day.
    pub day: Usd,
    /// US dollars of the month, the day included.
    pub month: Usd,
}

/// Rows of a tally.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TallyBy {
    /// Days (UTC), written `2026-11-28`.
    Day,
    /// Id of the model that was asked.
    Model,
    /// The MCP client's name for itself.
    Client,
    /// The person at the machine is `(this machine)`.
    Caller,
}

/// Sum of the lines of one name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TallySum {
    /// The day, model, client or caller, as [`TallyBy`] groups them.
    pub name: String,
    /// Lines, which are requests: a call for four pictures has four.
    pub calls: u64,
    /// Tokens, of the lines whose usage was reported.
    pub usage: Usage,
    /// Of the lines whose cost is known.
    pub cost: Usd,
    /// Lines without a cost; part of `calls`.
    pub calls_of_unknown_cost: u64,
    /// The reserved amounts of the lines of unknown cost: budgets count `cost` and this together.
    pub estimated: Usd,
    /// Lines that are [`LineState::Unsettled`](super::LineState::Unsettled).
    pub unsettled: u64,
}

impl TallySum {
    /// Both sums together, under no name.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            name: String::new(),
            calls: self.calls + other.calls,
            usage: self.usage + other.usage,
            cost: self.cost + other.cost,
            calls_of_unknown_cost: self.calls_of_unknown_cost + other.calls_of_unknown_cost,
            estimated: self.estimated + other.estimated,
            unsettled: self.unsettled + other.unsettled,
        }
    }
}

impl OfRow for TallySum {
    fn of_row<R: StoreRow>(row: &R) -> Result<Self, R::Fault> {
        Ok(Self {
            name: row.text(0)?,
            calls: row.count(1)?,
            cost: usd(row.number(2)?),
            calls_of_unknown_cost: row.count(3)?,
            unsettled: row.count(4)?,
            estimated: usd(row.number(5)?),
            usage: Usage {
                input_tokens: row.count(6)?,
                cached_tokens: row.count(7)?,
                cached_image_tokens: row.count(8)?,
                cache_write_tokens: row.count(9)?,
                cache_write_12h_tokens: row.count(10)?,
                image_input_tokens: row.count(11)?,
                output_tokens: row.count(12)?,
                text_output_tokens: row.count(13)?,
                reasoning_tokens: row.count(14)?,
                web_searches: row.count(15)?,
            },
        })
    }
}

impl OfRow for CallerSpending {
    fn of_row<R: StoreRow>(row: &R) -> Result<Self, R::Fault> {
        let caller = Owner(row.text(0)?).as_caller().unwrap_or_default().to_owned();
        Ok(Self { caller, day: usd(row.number(1)?), month: usd(row.number(2)?) })
    }
}
