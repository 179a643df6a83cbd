//! Money for one request, from before it is sent to what it came to. However its call ends, it is settled.

use std::{io, num::NonZeroU32, path::PathBuf};

use chrono::{DateTime, Utc};

use super::{Entry, Ledger, Request, budget::Settled};
use crate::money::{Usage, Usd};

/// How often a file that somebody else holds is tried again: what is set aside and not settled stays set aside.
const TRIES: u32 = 4;

/// What may be spent on one request. Dropped unsettled, it counts in full once the request may have been sent, and for
/// nothing before that.
#[derive(Debug)]
pub struct Spend {
    ledger: Ledger,
    request: Request,
    at: DateTime<Utc>,
    amount: Usd,
    /// Where the budget of the day knows of it.
    reservation: Option<String>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Unsent,
    Sent,
    Settled,
}

/// What a request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bill {
    /// Not billed.
    Nothing,
    /// Billed, or perhaps.
    Due {
        usage: Option<Usage>,
        /// `None`: not known, so the budget counts what was set aside.
        cost: Option<Usd>,
        request_id: Option<String>,
    },
    /// Given up: due if it was sent.
    Unknown { request_id: Option<String> },
}

/// The book has no line of a request.
#[derive(Debug, thiserror::Error)]
#[error("The cost of this call could not be written down in {}: {source}. Make the folder writable, or set state.dir to another one.", folder.display())]
pub struct NotWritten {
    folder: PathBuf,
    source: io::Error,
}

impl Spend {
    pub(super) fn new(
        ledger: Ledger,
        request: Request,
        at: DateTime<Utc>,
        amount: Usd,
        reservation: Option<String>,
    ) -> Self {
        Self { ledger, request, at, amount, reservation, stage: Stage::Unsent }
    }

    /// What the request may cost.
    #[must_use]
    pub fn amount(&self) -> Usd {
        self.amount
    }

    /// The same in equal parts, one for each of `n` requests.
    #[must_use]
    pub fn split(mut self, n: NonZeroU32) -> Vec<Self> {
        self.stage = Stage::Settled;
        // Parts that are rounded up take the whole with them; the last ones find less.
        let mut left = self.amount;
        let part = self.amount / n;
        let parts = (0..n.get()).map(|_| {
            let amount = part.min(left);
            left = left - amount;
            let (ledger, request) = (self.ledger.clone(), self.request.clone());
            Self::new(ledger, request, self.at, amount, self.reservation.clone())
        });
        parts.collect()
    }

    /// From now on it may be paid for.
    pub fn sent(&mut self) {
        self.stage = Stage::Sent;
    }

    /// Settles the budget and writes the line.
    ///
    /// # Errors
    /// [`NotWritten`]: the request is what it is all the same.
    pub async fn settle(mut self, bill: Bill) -> Result<(), NotWritten> {
        let folder = self.ledger.0.config.folder.path().to_owned();
        super::off_thread(move || self.close(bill)).await.map_err(|source| NotWritten { folder, source })
    }

    fn close(&mut self, bill: Bill) -> io::Result<()> {
        let was = std::mem::replace(&mut self.stage, Stage::Settled);
        let (counted, line) = match bill {
            Bill::Unknown { request_id } if was == Stage::Sent => {
                (self.amount, Some(self.entry(None, None, request_id)))
            }
            Bill::Nothing | Bill::Unknown { .. } => (Usd::ZERO, None),
            Bill::Due { usage, cost, request_id } => {
                (cost.unwrap_or(self.amount), Some(self.entry(usage, cost, request_id)))
            }
        };
        let settled = self.reservation.as_deref().map_or(Ok(()), |id| self.give_back(id, counted));
        let written = line.map_or(Ok(()), |line| self.ledger.0.book.write(&line));
        settled.and(written)
    }

    fn entry(&self, usage: Option<Usage>, cost: Option<Usd>, request_id: Option<String>) -> Entry {
        let Request { tool, model, client, account } = self.request.clone();
        let reserved_usd = self.reservation.as_ref().map(|_| self.amount);
        Entry { at: self.at, tool, model, usage, cost_usd: cost, reserved_usd, request_id, client, account }
    }

    fn give_back(&self, id: &str, cost: Usd) -> io::Result<()> {
        let settled = Settled { account: &self.request.account, id, at: self.at, amount: self.amount, cost };
        let settle = || self.ledger.with_budget(|budget| budget.settle(&settled));
        let mut tried = settle();
        for _ in 1..TRIES {
            match &tried {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => tried = settle(),
                _ => break,
            }
        }
        tried
    }
}

impl Drop for Spend {
    fn drop(&mut self) {
        if self.stage == Stage::Settled {
            return;
        }
        if let Err(error) = self.close(Bill::Unknown { request_id: None }) {
            tracing::warn!(%error, "a call that was given up could not be settled");
        }
    }
}
