//! Costs of calls: a line of the ledger for each, and the budgets that all processes hold together; and the calls of
//! callers that are not in it. Never a prompt, never a key.
//!
//! [`Ledger::open`] and [`Ledger::begin`] reserve money before a request is sent, [`Spend::settle`] puts what it came
//! to in its place, with the turn and the end of the job that belong to it. The rules, also for what is never
//! settled: `docs/money.md`.

use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, Utc};
use serde::Serialize;

use crate::{
    handle::{Account, Id, IdMint},
    money::{Expenses, Usd},
    store::{
        self, MoneyStore,
        callers::CallerName,
        money::{BudgetOf, CallerShare, DayStanding, LedgerLine, Reservation, Reserved, TallyBy},
    },
};

mod audit;
mod refused;
mod spend;
mod sums;

pub use audit::Audit;
pub use refused::{OverBudget, Refused, Unheld};
pub use spend::{Bill, Spend, SpendNote};
pub use sums::{Sum, Tally};

/// Budgets: `spend.per_call` and `spend.per_day`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Config {
    /// US dollars; `None`: no bound.
    pub per_call: Option<Usd>,
    /// US dollars a day (UTC) for each account, all processes together; `None`: no bound.
    pub per_day: Option<Usd>,
}

/// Whose call it is that may cost something.
#[derive(Debug, Clone)]
pub struct Request {
    /// By its MCP name: `ask-openai`.
    pub tool: String,
    /// The id that is sent.
    pub model: String,
    /// The MCP client's name for itself.
    pub client: String,
    /// The account that pays: each has ledger lines and a budget of its own.
    pub account: Account,
    /// The caller of the HTTP service, with its budgets.
    pub caller: Option<CallerShare>,
    /// Counts what it comes to.
    pub expenses: Expenses,
}

/// The bounds of a call's cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Less than this is of no use.
    pub least: Usd,
    /// More than this is not needed.
    pub most: Usd,
}

/// A budget as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Decides its time: a day or a calendar month (UTC).
    #[serde(skip)]
    pub of: BudgetOf,
    /// The most that may be spent in its time.
    pub limit_usd: Usd,
    /// Costs of its time, and the estimates of its requests whose cost is not known.
    pub spent_usd: Usd,
    /// Set aside for calls that run.
    pub reserved_usd: Usd,
    /// A midnight, UTC.
    pub resets_at: DateTime<Utc>,
}

/// The ledger of all calls. Cheap to clone; clones are the same ledger.
#[derive(Debug, Clone)]
pub struct Ledger(Arc<LedgerState>);

#[derive(Debug)]
struct LedgerState {
    /// Read anew for each call: a server that gets SIGHUP changes it.
    config: RwLock<Config>,
    store: Arc<dyn MoneyStore>,
    mint: IdMint,
}

impl Ledger {
    /// Builds it without touching the store.
    #[must_use]
    pub fn build(config: Config, store: Arc<dyn MoneyStore>) -> Self {
        Self(Arc::new(LedgerState { config: RwLock::new(config), store, mint: IdMint::default() }))
    }

    /// Holds calls that begin from now on to these budgets.
    pub fn change(&self, config: Config) {
        *self.0.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    fn config(&self) -> Config {
        *self.0.config.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// `true` where a call of this caller must be estimated before it is made.
    #[must_use]
    pub fn has_budgets(&self, caller: Option<&CallerShare>) -> bool {
        let Config { per_call, per_day } = self.config();
        per_call.is_some() || per_day.is_some() || caller.is_some_and(CallerShare::has_budgets)
    }

    /// Reserves the estimate of a request that no budget of a day holds: noted without waiting for the store.
    #[must_use]
    pub fn begin(&self, request: Request, estimate: Usd) -> Spend {
        let expenses = request.expenses.clone();
        let reservation = self.reservation(request, Estimate { least: Usd::ZERO, most: estimate }, None);
        self.0.store.begin(reservation.clone());
        Spend::new(self.clone(), reservation, expenses)
    }

    /// Reserves as much as a request may cost, or what the budgets have left if that is less.
    ///
    /// # Errors
    /// [`Refused`]; then nothing is reserved.
    pub async fn open(&self, request: Request, estimate: Estimate) -> Result<Spend, Refused> {
        let reservation = self.bounded(request.clone(), estimate)?;
        if !reservation.has_budgets() {
            return Ok(self.begin(request, reservation.most));
        }
        // Made before it is waited for, so that it is settled also when nobody waits for it any more.
        let spend = Spend::new(self.clone(), reservation.clone(), request.expenses);
        match self.0.store.reserve(reservation).await {
            Ok(Reserved::Granted(amount)) => Ok(spend.of(amount)),
            Ok(Reserved::Refused { of, limit, standing }) => {
                let standing = Box::new(Standing::new(of, limit, standing, spend.forget()));
                Err(OverBudget::Standing { estimate: estimate.least, standing }.into())
            }
            Err(error) => {
                // Forgotten, not settled: the store itself takes back what it may have reserved all the same.
                spend.forget();
                Err(Refused::Unheld(error.into()))
            }
        }
    }

    /// Finds out if [`Self::open`] would refuse a request that comes to `least`, and reserves nothing.
    ///
    /// # Errors
    /// The refusal.
    pub async fn probe(&self, request: Request, least: Usd) -> Result<(), Refused> {
        let reservation = self.bounded(request, Estimate { least, most: least })?;
        if !reservation.has_budgets() {
            return Ok(());
        }
        let at = reservation.at;
        match self.0.store.probe(reservation).await.map_err(Unheld::from)? {
            Reserved::Granted(_) => Ok(()),
            Reserved::Refused { of, limit, standing } => {
                let standing = Box::new(Standing::new(of, limit, standing, at));
                Err(OverBudget::Standing { estimate: least, standing }.into())
            }
        }
    }

    /// Takes over a request that was sent by a process that is gone: it is settled here, and once.
    #[must_use]
    pub fn take_over(&self, note: SpendNote, expenses: Expenses) -> Spend {
        self.0.store.take_over(note.reservation());
        Spend::taken_over(self.clone(), note, expenses)
    }

    /// Standing of the day's budget for an account; `None` where none is set.
    ///
    /// # Errors
    /// [`Unheld`], with the store's reason.
    pub async fn standing(&self, account: &Account) -> Result<Option<Standing>, Unheld> {
        let Some(limit) = self.per_day() else { return Ok(None) };
        let now = Utc::now();
        let standing = self.0.store.standing(account, now.date_naive()).await?;
        Ok(Some(Standing::new(BudgetOf::AccountDay, limit, standing, now)))
    }

    /// Sums of what was paid since the beginning of a day (UTC), by all or by one caller.
    ///
    /// # Errors
    /// [`store::Error`] when the store cannot be used.
    pub async fn tally(
        &self,
        since: NaiveDate,
        by: TallyBy,
        caller: Option<&CallerName>,
    ) -> Result<Tally, store::Error> {
        Ok(Tally::of(self.0.store.tally(since, by, caller).await?))
    }

    /// Lines of the ledger after one, in the order of their ids, for an export in pages.
    ///
    /// # Errors
    /// [`store::Error`] when the store cannot be used.
    pub async fn lines_after(&self, after: Option<Id>, most: usize) -> Result<Vec<LedgerLine>, store::Error> {
        self.0.store.lines_after(after, most).await
    }

    /// The budget of each call in US dollars; `None`: no bound.
    pub fn per_call(&self) -> Option<Usd> {
        self.config().per_call
    }

    /// The budget of each day (UTC) for an account, in US dollars; `None`: no bound.
    pub fn per_day(&self) -> Option<Usd> {
        self.config().per_day
    }

    /// # Errors
    /// [`OverBudget::Call`]: even the least is more than a call may cost.
    fn bounded(&self, request: Request, Estimate { least, most }: Estimate) -> Result<Reservation, OverBudget> {
        let Config { per_call, per_day } = self.config();
        let most = match per_call {
            Some(limit) if least > limit => return Err(OverBudget::Call { estimate: least, limit }),
            Some(limit) => most.min(limit),
            None => most,
        };
        Ok(self.reservation(request, Estimate { least, most }, per_day))
    }

    fn reservation(&self, request: Request, Estimate { least, most }: Estimate, per_day: Option<Usd>) -> Reservation {
        let Request { tool, model, client, account, caller, expenses: _ } = request;
        // In this order: sums of a day leave out what was minted before it, and midnight may come in between.
        let (at, id) = (Utc::now(), self.0.mint.mint());
        Reservation { id, at, account, tool, model, client, least, most, per_day, caller }
    }
}

impl Standing {
    fn new(of: BudgetOf, limit: Usd, DayStanding { spent, reserved }: DayStanding, at: DateTime<Utc>) -> Self {
        let today = at.date_naive();
        let next = match of {
            BudgetOf::AccountDay | BudgetOf::CallerDay => today.checked_add_days(Days::new(1)),
            BudgetOf::CallerMonth => today.with_day(1).and_then(|first| first.checked_add_months(Months::new(1))),
        };
        let resets_at = next.unwrap_or(NaiveDate::MAX).and_time(NaiveTime::MIN).and_utc();
        Self { of, limit_usd: limit, spent_usd: spent, reserved_usd: reserved, resets_at }
    }
}
