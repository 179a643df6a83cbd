//! The budget of a day, one small file for each account, which the processes of this machine read and write in turn:
//! what is spent, and what is set aside for calls that run. What a dead process had set aside counts as spent: it may
//! have been paid.

use std::{collections::HashMap, io, time::Duration};

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    Estimate, OverBudget, Standing,
    book::{Book, Line},
};
use crate::{
    handle::{self, Account},
    money::Usd,
    state::{Folder, Locked, Processes, is_life},
};

/// More than any day's file.
const LARGEST: u64 = 16 << 20;
/// A draft this old belongs to nobody any more.
const DRAFT_AGE: Duration = Duration::from_hours(1);

#[derive(Debug)]
pub(super) struct Budget {
    folder: Folder,
    book: Book,
    processes: Processes,
    is_swept: bool,
}

/// Money set aside.
#[derive(Debug)]
pub(super) struct Reserved {
    /// The moment by whose day it counts.
    pub at: DateTime<Utc>,
    pub amount: Usd,
    pub id: String,
}

/// What was set aside, or a part of it, and what it came to.
#[derive(Debug)]
pub(super) struct Settled<'a> {
    pub account: &'a Account,
    pub id: &'a str,
    pub at: DateTime<Utc>,
    pub amount: Usd,
    pub cost: Usd,
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
struct Day {
    date: NaiveDate,
    spent_usd: Usd,
    /// How far the month's book was read for what was paid without a budget, in bytes.
    book_read: u64,
    reservations: Vec<Reservation>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Reservation {
    id: String,
    amount_usd: Usd,
    /// The process that will settle it.
    process: String,
}

impl Budget {
    pub fn of(folder: Folder, book: Book) -> Self {
        Self { processes: Processes::of(folder.clone()), folder, book, is_swept: false }
    }

    /// Sets aside what is wanted, as far as the day has it left.
    pub fn reserve(
        &mut self,
        account: &Account,
        wanted: Estimate,
        limit: Usd,
    ) -> io::Result<Result<Reserved, OverBudget>> {
        self.sweep();
        let process = self.processes.own()?;
        let _held = self.hold(account)?;
        let at = Utc::now();
        let mut day = self.today(account, at.date_naive())?;
        let standing = day.standing(limit);
        let left = standing.left();
        if wanted.least > left {
            return Ok(Err(OverBudget::Day { estimate: wanted.least, standing: Box::new(standing) }));
        }
        let reserved = Reserved { at, amount: wanted.most.min(left), id: handle::random() };
        day.reservations.push(Reservation { id: reserved.id.clone(), amount_usd: reserved.amount, process });
        self.write(account, &day)?;
        Ok(Ok(reserved))
    }

    /// Puts what it came to in the place of what was set aside. Nothing changes once the day is over.
    pub fn settle(&mut self, settled: &Settled<'_>) -> io::Result<()> {
        let _held = self.hold(settled.account)?;
        let mut day = self.read(settled.account)?;
        if day.as_ref().is_some_and(|day| day.date > settled.at.date_naive()) {
            return Ok(());
        }
        let day = match &mut day {
            Some(day) if day.date == settled.at.date_naive() => day,
            _ => &mut self.begin(settled.account, settled.at.date_naive())?,
        };
        for reservation in day.reservations.iter_mut().filter(|reservation| reservation.id == settled.id) {
            reservation.amount_usd = reservation.amount_usd - settled.amount;
        }
        day.reservations.retain(|reservation| reservation.amount_usd > Usd::ZERO);
        day.spent_usd = day.spent_usd + settled.cost;
        self.write(settled.account, day)
    }

    pub fn standing(&self, account: &Account, limit: Usd) -> io::Result<Standing> {
        let _held = self.hold(account)?;
        Ok(self.today(account, Utc::now().date_naive())?.standing(limit))
    }

    /// The day as it stands now: with what was paid without a budget, and what the dead had set aside.
    fn today(&self, account: &Account, today: NaiveDate) -> io::Result<Day> {
        let mut day = match self.read(account)? {
            Some(day) if day.date == today => day,
            _ => return self.begin(account, today),
        };
        let mut paid = Usd::ZERO;
        day.book_read = self.book.read(today, day.book_read, |line| {
            if let Line::Entry(entry) = line
                && entry.is_of(account, today)
                && entry.reserved_usd.is_none()
            {
                paid = paid + entry.counted();
            }
        })?;
        let mut ended: HashMap<String, bool> = HashMap::new();
        let (lost, running): (Vec<_>, Vec<_>) =
            day.reservations.into_iter().partition(|Reservation { process, .. }| {
                *ended.entry(process.clone()).or_insert_with(|| self.processes.has_ended(process))
            });
        day.reservations = running;
        day.spent_usd = [day.spent_usd, paid].into_iter().chain(lost.iter().map(|it| it.amount_usd)).sum();
        Ok(day)
    }

    /// A day that has no file yet, or none that can be read: what the book says of it.
    fn begin(&self, account: &Account, day: NaiveDate) -> io::Result<Day> {
        let mut spent = Usd::ZERO;
        let book_read = self.book.read(day, 0, |line| {
            if let Line::Entry(entry) = line
                && entry.is_of(account, day)
            {
                spent = spent + entry.counted();
            }
        })?;
        Ok(Day { date: day, spent_usd: spent, book_read, reservations: Vec::new() })
    }

    /// Nobody else reads or writes the account's file meanwhile.
    fn hold(&self, account: &Account) -> io::Result<Locked> {
        self.folder.lock(&format!("{}.held", account.0))
    }

    fn read(&self, account: &Account) -> io::Result<Option<Day>> {
        let Some(json) = self.folder.read(&file(account), LARGEST)? else { return Ok(None) };
        let day = serde_json::from_slice(&json);
        Ok(day.inspect_err(|error| tracing::warn!(%error, "the day's budget begins anew from the book")).ok())
    }

    fn write(&self, account: &Account, day: &Day) -> io::Result<()> {
        self.folder.replace(&file(account), &serde_json::to_vec(day)?)
    }

    /// Removes what dead processes left lying, once.
    fn sweep(&mut self) {
        if std::mem::replace(&mut self.is_swept, true) {
            return;
        }
        for file in self.folder.files() {
            let is_draft = file.name.starts_with('.') && file.age > DRAFT_AGE;
            if is_draft || is_life(&file.name) && self.processes.has_ended(&file.name) {
                let _ = self.folder.remove(&file.name);
            }
        }
    }
}

impl Day {
    fn standing(&self, limit: Usd) -> Standing {
        let midnight = (self.date + Days::new(1)).and_time(NaiveTime::MIN).and_utc();
        Standing {
            limit_usd: limit,
            spent_usd: self.spent_usd,
            reserved_usd: self.reservations.iter().map(|reservation| reservation.amount_usd).sum(),
            resets_at: midnight,
        }
    }
}

fn file(account: &Account) -> String {
    format!("{}.json", account.0)
}
