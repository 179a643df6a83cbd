//! The door to money: what is reserved before a request is sent, what it came to, and the ledger.

use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{
    Error,
    callers::CallerName,
    columns::{OfRow, StoreRow, day_number, id, moment, usd},
    jobs::FinishedJob,
    turns::NewTurn,
};
use crate::{
    code::RequestEnd,
    handle::{Account, Id},
    money::{Usage, Usd},
};

mod tally;

pub use tally::{CallerSpending, TallyBy, TallySum};

/// Money to set aside for one request before it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Also the id of its line in the ledger.
    pub id: Id,
    /// The moment by whose day (UTC) it counts.
    pub at: DateTime<Utc>,
    /// The payer whose day it counts against.
    pub account: Account,
    /// Name of the tool that was called, for the ledger.
    pub tool: String,
    /// Id of the model that is asked, after roles and retired names are resolved.
    pub model: String,
    /// The MCP client's name for itself.
    pub client: String,
    /// Less than this is of no use.
    pub least: Usd,
    /// More than this is not needed; at least `least`.
    pub most: Usd,
    /// The budget of the day that holds it; `None` reserves `most` whatever the day has come to.
    pub per_day: Option<Usd>,
    /// The caller of the HTTP service whose request it is.
    // Absent in what an earlier version left for another process to resume.
    #[serde(default)]
    pub caller: Option<CallerShare>,
}

/// A caller with its own budgets; every one that is set must hold the whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallerShare {
    /// The key under which its days and months are summed.
    pub name: CallerName,
    /// Of a day (UTC); `None` is no limit.
    pub per_day: Option<Usd>,
    /// Of a calendar month (UTC).
    pub per_month: Option<Usd>,
}

/// The budgets that may hold a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BudgetOf {
    /// All that is paid with a key.
    AccountDay,
    /// One caller, on a day (UTC).
    CallerDay,
    /// One caller, in a calendar month (UTC).
    CallerMonth,
}

/// One budget of a reservation, as engines look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Budget {
    pub of: BudgetOf,
    pub limit: Usd,
    /// First and last day that count, as [`day_number`](super::columns::day_number)s.
    pub first: i64,
    pub last: i64,
}

/// The answer to a [`Reservation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// This much is set aside: `most`, or what the tightest budget has left, if that is less.
    Granted(Usd),
    /// A budget has less left than `least`; nothing is set aside.
    Refused {
        /// The first budget that did not hold it.
        of: BudgetOf,
        /// The most that may be spent in its time.
        limit: Usd,
        /// Spent and reserved in its time, before this request.
        standing: DayStanding,
    },
}

/// One day of an account, or a day or month of a caller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DayStanding {
    /// Costs of the day, and the estimates of its requests whose cost is not known.
    pub spent: Usd,
    /// Set aside for requests that run.
    pub reserved: Usd,
}

/// The charge of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charge {
    /// Nothing was or will be billed.
    Nothing,
    /// Billed, or perhaps billed.
    Due {
        /// `None` where the upstream reported none.
        usage: Option<Usage>,
        /// `None` where it is not known: then what was reserved counts.
        cost: Option<Usd>,
        /// `x-request-id` of the answer, for the support of the upstream.
        request_id: Option<String>,
    },
}

/// The end of one request, in one transaction: the reservation goes, its line, the turn and the end of the job come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The reservation that ends, as it was made.
    pub reservation: Reservation,
    /// Part of the reservation that was set aside for this request.
    pub amount: Usd,
    /// The amount that takes the place of the reserved one.
    pub charge: Charge,
    /// `None` where nobody saw it end.
    pub end: Option<RequestEnd>,
    /// The turn to append; `None` where the request becomes none.
    pub turn: Option<NewTurn>,
    /// The job to end; `None` where the call was not handed out, or goes on.
    pub job: Option<FinishedJob>,
}

/// Parts of a [`Settlement`] that were not written because of what the store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Everything was written.
    Whole,
    /// The turn before is gone: the line is kept, but neither the turn nor the end of the job, which names it.
    WithoutTurn,
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerLine {
    /// Id of its reservation; the secret of a line read back is zero.
    pub id: Id,
    /// The moment of the reservation, UTC.
    pub at: DateTime<Utc>,
    /// The payer.
    pub account: Account,
    /// Name of the tool that was called.
    pub tool: String,
    /// Id of the model that was asked.
    pub model: String,
    /// The MCP client's name for itself.
    pub client: String,
    /// `None` where the upstream reported none.
    pub usage: Option<Usage>,
    /// `None` where it is not known.
    pub cost: Option<Usd>,
    /// The reserved amount; counts where the cost is not known.
    pub reserved: Usd,
    /// `x-request-id` of the answer; `None` where it had none.
    pub request_id: Option<String>,
    /// Unsettled lines count with their reserved amount.
    pub state: LineState,
    /// As [`RequestEnd::name`] tells it; `None` where it is not known, and in lines of earlier versions.
    pub outcome: Option<String>,
    /// `None` for the person at the machine.
    pub caller: Option<String>,
}

/// The end of the request of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineState {
    /// The request ended, and its charge is booked.
    Settled,
    /// Its process died before the request had ended: it may have been billed.
    Unsettled,
}

impl OfRow for LedgerLine {
    fn of_row<R: StoreRow>(row: &R) -> Result<Self, R::Fault> {
        let usage = row.maybe_text(6)?;
        Ok(Self {
            // A line has no secret: nobody is led to it by a handle.
            id: id(row.number(0)?, 0),
            at: moment(row.number(1)?),
            account: Account(row.text(2)?),
            tool: row.text(3)?,
            model: row.text(4)?,
            client: row.text(5)?,
            usage: usage.and_then(|usage| serde_json::from_str(&usage).ok()),
            cost: row.maybe_number(7)?.map(usd),
            reserved: usd(row.number(8)?),
            request_id: row.maybe_text(9)?,
            state: if row.flag(10)? { LineState::Unsettled } else { LineState::Settled },
            outcome: row.maybe_text(12)?,
            caller: row.maybe_text(11)?,
        })
    }
}

impl OfRow for DayStanding {
    fn of_row<R: StoreRow>(row: &R) -> Result<Self, R::Fault> {
        Ok(Self { spent: usd(row.number(0)?), reserved: usd(row.number(1)?) })
    }
}

impl CallerShare {
    /// Returns whether a budget of its own holds what it asks for.
    #[must_use]
    pub fn has_budgets(&self) -> bool {
        self.per_day.is_some() || self.per_month.is_some()
    }
}

impl Reservation {
    /// Returns whether a budget holds it.
    #[must_use]
    pub fn has_budgets(&self) -> bool {
        self.per_day.is_some() || self.caller.as_ref().is_some_and(CallerShare::has_budgets)
    }

    /// The caller's name, for its column.
    pub(super) fn caller_name(&self) -> Option<&str> {
        self.caller.as_ref().map(|caller| caller.name.as_str())
    }

    /// The answer to it where its budgets stand like this.
    pub(super) fn judged(&self, standings: impl IntoIterator<Item = (Budget, DayStanding)>) -> Reserved {
        let mut amount = self.most;
        for (Budget { of, limit, .. }, standing) in standings {
            let left = limit - standing.spent - standing.reserved;
            if self.least > left {
                return Reserved::Refused { of, limit, standing };
            }
            amount = amount.min(left);
        }
        Reserved::Granted(amount)
    }

    /// The budgets that hold it.
    pub(super) fn budgets(&self) -> Vec<Budget> {
        let day = self.at.date_naive();
        let (today, first) = (day_number(day), day_number(day.with_day(1).unwrap_or(day)));
        // By days, not by moments: `days` has a row for each, and nothing finer.
        // By the first of the next month: months differ in length.
        let last =
            day_number(day.with_day(1).and_then(|first| first.checked_add_months(Months::new(1))).unwrap_or(day)) - 1;
        let of_day = |of, limit: Option<Usd>| limit.map(|limit| Budget { of, limit, first: today, last: today });
        let caller = self.caller.as_ref();
        let month = caller.and_then(|caller| caller.per_month);
        [
            of_day(BudgetOf::AccountDay, self.per_day),
            of_day(BudgetOf::CallerDay, caller.and_then(|caller| caller.per_day)),
            month.map(|limit| Budget { of: BudgetOf::CallerMonth, limit, first, last }),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Reservations and the ledger. Whoever looks first books what dead processes had reserved as unsettled lines.
#[async_trait]
pub trait MoneyStore: Debug + Send + Sync {
    /// Sets money aside, exactly, among all processes.
    async fn reserve(&self, reservation: Reservation) -> Result<Reserved, Error>;

    /// Finds out what [`Self::reserve`] would answer, and sets nothing aside.
    async fn probe(&self, reservation: Reservation) -> Result<Reserved, Error>;

    /// Notes a request that no budget holds, without waiting until it is kept: it is written at the latest 100 ms from
    /// now, unless it is settled before.
    fn begin(&self, reservation: Reservation);

    /// Takes over a request from a process that died, without waiting until it is kept: the reservation is this
    /// process's from now on, and the unsettled line that it may have got is taken back.
    fn take_over(&self, reservation: Reservation);

    /// Puts what a request came to in the place of what was reserved. A second settlement of the same id replaces the
    /// first, so that a request is never counted twice; but a known cost stays where the second does not know it.
    async fn settle(&self, settlement: Settlement) -> Result<Settled, Error>;

    /// Settles without anybody waiting, for calls that are dropped.
    fn settle_later(&self, settlement: Settlement);

    /// Resolves once everything that nobody waited for is kept, or has failed to be.
    async fn flush(&self);

    /// Divides a reservation into equal ones, one for each of these ids; the first keeps what does not divide.
    async fn split(&self, reservation: Id, into: &[Id]) -> Result<(), Error>;

    /// Standing of an account on a day (UTC).
    async fn standing(&self, account: &Account, day: NaiveDate) -> Result<DayStanding, Error>;

    /// Sums of the lines since a day (UTC), of all or of one caller, in the order of their names.
    async fn tally(&self, since: NaiveDate, by: TallyBy, caller: Option<&CallerName>) -> Result<Vec<TallySum>, Error>;

    /// Spending of callers on a day (UTC) and in its month until then, of at most `most` that spent anything, in the
    /// order of their names.
    async fn caller_spending(&self, day: NaiveDate, most: usize) -> Result<Vec<CallerSpending>, Error>;

    /// Lines after an id, in the order of their ids, for an export in pages.
    async fn lines_after(&self, after: Option<Id>, most: usize) -> Result<Vec<LedgerLine>, Error>;
}
