//! What calls cost: a line for each in the book, and the budgets that all processes of this machine hold together. Never
//! a prompt, never a key.
//!
//! [`Ledger::open`] sets money aside before a request is sent, [`Spend::settle`] puts what it came to in its place. The
//! rules, also for what is not settled: `docs/money.md`.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    handle::Account,
    money::{Usage, Usd},
    state,
};

mod book;
mod budget;
mod refused;
mod spend;
mod tally;

pub use refused::{OverBudget, Refused, Unusable};
pub use spend::{Bill, NotWritten, Spend};
pub use tally::{By, Row, Sum, Tally};

use book::Book;
use budget::{Budget, Reserved};

#[derive(Debug, Clone)]
pub struct Config {
    /// Made with the first call.
    pub folder: state::Folder,
    pub per_call: Option<Usd>,
    pub per_day: Option<Usd>,
}

/// One request that was paid for, or may have been.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was begun: the day that it counts on.
    pub at: DateTime<Utc>,
    pub tool: String,
    pub model: String,
    /// `None` where the upstream reports none.
    pub usage: Option<Usage>,
    /// `None` where it is not known.
    pub cost_usd: Option<Usd>,
    /// What was set aside for it, where a day's budget held it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved_usd: Option<Usd>,
    pub request_id: Option<String>,
    /// The MCP client's name for itself.
    pub client: String,
    pub account: Account,
}

/// Whose call it is that may cost something.
#[derive(Debug, Clone)]
pub struct Request {
    pub tool: String,
    pub model: String,
    pub client: String,
    pub account: Account,
}

/// What a call may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Less than this is of no use.
    pub least: Usd,
    /// More than this is not needed.
    pub most: Usd,
}

/// How a day's budget stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    pub limit_usd: Usd,
    /// What calls of today came to, and what those may have that were never settled.
    pub spent_usd: Usd,
    /// Set aside for calls that run.
    pub reserved_usd: Usd,
    /// The next midnight, UTC.
    pub resets_at: DateTime<Utc>,
}

/// The book of all calls. Cheap to clone; clones are the same book.
#[derive(Debug, Clone)]
pub struct Ledger(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    book: Book,
    /// Threads of one process take turns here, so that only processes wait for each other's lock.
    budget: Mutex<Budget>,
}

impl Entry {
    fn is_of(&self, account: &Account, day: NaiveDate) -> bool {
        self.account == *account && self.at.date_naive() == day
    }

    /// What a budget counts.
    fn counted(&self) -> Usd {
        self.cost_usd.or(self.reserved_usd).unwrap_or_default()
    }
}

impl Ledger {
    /// Without touching the disk.
    #[must_use]
    pub fn build(config: Config) -> Self {
        let book = Book::of(config.folder.clone());
        let budget = Mutex::new(Budget::of(config.folder.folder("budgets"), book.clone()));
        Self(Arc::new(Inner { config, book, budget }))
    }

    /// Whether a call must be estimated before it is made.
    #[must_use]
    pub fn has_budgets(&self) -> bool {
        self.0.config.per_call.is_some() || self.0.config.per_day.is_some()
    }

    /// Begins to pay for a request that no budget holds: nothing is set aside.
    #[must_use]
    pub fn begin(&self, request: Request) -> Spend {
        Spend::new(self.clone(), request, Utc::now(), Usd::ZERO, None)
    }

    /// Begins to pay for a request: as much is set aside as it may cost and the budgets have left.
    ///
    /// # Errors
    /// [`Refused`]; then nothing is set aside.
    pub async fn open(&self, request: Request, Estimate { least, most }: Estimate) -> Result<Spend, Refused> {
        let most = match self.0.config.per_call {
            Some(limit) if least > limit => return Err(OverBudget::Call { estimate: least, limit }.into()),
            Some(limit) => most.min(limit),
            None => most,
        };
        let Some(limit) = self.0.config.per_day else {
            return Ok(Spend::new(self.clone(), request, Utc::now(), most, None));
        };
        let ledger = self.clone();
        let reserve = move || {
            let wanted = Estimate { least, most };
            let reserved = ledger.with_budget(|budget| budget.reserve(&request.account, wanted, limit))?;
            // Made here, so that it is settled also when nobody waits for it any more.
            Ok(reserved.map(|Reserved { at, amount, id }| Spend::new(ledger, request, at, amount, Some(id))))
        };
        Ok(off_thread(reserve).await.map_err(|source| self.unusable(source))??)
    }

    /// How the day's budget stands for an account; `None` where none is set.
    ///
    /// # Errors
    /// [`Unusable`].
    pub async fn standing(&self, account: &Account) -> Result<Option<Standing>, Unusable> {
        let Some(limit) = self.0.config.per_day else { return Ok(None) };
        let (ledger, account) = (self.clone(), account.clone());
        let stands = move || ledger.with_budget(|budget| budget.standing(&account, limit));
        off_thread(stands).await.map(Some).map_err(|source| self.unusable(source))
    }

    /// What was paid since the beginning of a day (UTC).
    pub async fn tally(&self, since: NaiveDate, by: By) -> Tally {
        let book = self.0.book.clone();
        off_thread(move || Ok(Tally::of(&book, since, by))).await.unwrap_or_default()
    }

    pub fn per_call(&self) -> Option<Usd> {
        self.0.config.per_call
    }

    pub fn per_day(&self) -> Option<Usd> {
        self.0.config.per_day
    }

    fn with_budget<T>(&self, act: impl FnOnce(&mut Budget) -> T) -> T {
        act(&mut self.0.budget.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn unusable(&self, source: io::Error) -> Unusable {
        Unusable { folder: self.0.config.folder.path().to_owned(), source }
    }
}

/// On a thread that may block.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|ended| Err(io::Error::other(ended)))
}
