//! Money for one request, from before it is sent to what it came to. However its call ends, it is settled.

use std::{iter, mem, num::NonZeroU32};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Ledger;
use crate::{
    code::RequestEnd,
    money::{Expenses, Exposure, Usage, Usd},
    store::{
        self,
        jobs::FinishedJob,
        money::{Charge, Reservation, Settled, Settlement},
        turns::NewTurn,
    },
};

/// Money reserved for one request. Dropped unsettled, it is settled without anybody waiting: for what the request came
/// to if that is known, for all of it while the request may be billed, and for nothing otherwise.
#[derive(Debug)]
pub struct Spend {
    ledger: Ledger,
    note: SpendNote,
    stage: SpendStage,
    exposure: Exposure,
    expenses: Expenses,
}

/// All that another process needs to settle a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpendNote {
    reservation: Reservation,
    /// Part of the reservation that was granted.
    amount: Usd,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum SpendStage {
    /// Its exposure tells whether it may be billed.
    Open,
    /// Sent by another process.
    TakenOver,
    Ended(Charge),
    Settled,
}

/// The bill of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bill {
    /// Not billed.
    Nothing,
    /// Billed, or perhaps.
    Due {
        /// As the upstream reported it; `None`: it reported none.
        usage: Option<Usage>,
        /// `None`: not known, so the estimate counts.
        cost: Option<Usd>,
        /// `x-request-id`; `None`: no answer came, or it had none.
        request_id: Option<String>,
    },
    /// Given up: due if it may be billed all the same.
    Unknown {
        /// `x-request-id`; `None`: no answer came, or it had none.
        request_id: Option<String>,
    },
}

impl Spend {
    pub(super) fn new(ledger: Ledger, reservation: Reservation, expenses: Expenses) -> Self {
        let note = SpendNote { amount: reservation.most, reservation };
        Self { ledger, note, stage: SpendStage::Open, exposure: Exposure::of(expenses.clone()), expenses }
    }

    pub(super) fn taken_over(ledger: Ledger, note: SpendNote, expenses: Expenses) -> Self {
        let exposure = Exposure::of(expenses.clone());
        Self { ledger, note, stage: SpendStage::TakenOver, exposure, expenses }
    }

    /// The same, for what was granted of it.
    pub(super) fn of(mut self, amount: Usd) -> Self {
        self.note.amount = amount;
        self
    }

    /// Gives up what was never reserved. Returns the moment by whose day it was asked for.
    pub(super) fn forget(mut self) -> DateTime<Utc> {
        self.stage = SpendStage::Settled;
        self.note.reservation.at
    }

    /// The most that the request may cost.
    #[must_use]
    pub fn amount(&self) -> Usd {
        self.note.amount
    }

    /// All that another process needs to settle it.
    #[must_use]
    pub fn note(&self) -> SpendNote {
        self.note.clone()
    }

    /// Divides it into equal parts, one for each of `n` requests.
    ///
    /// # Errors
    /// [`store::Error`] when the store cannot be used and a budget holds the money: then nothing stays reserved.
    pub async fn split(mut self, n: NonZeroU32) -> Result<Vec<Self>, store::Error> {
        if n == NonZeroU32::MIN {
            return Ok(vec![self]);
        }
        // Its parts are settled in its place.
        self.stage = SpendStage::Settled;
        let SpendNote { reservation, amount } = self.note.clone();
        let others = iter::repeat_with(|| self.ledger.0.mint.mint());
        // The first keeps the id: the reservation, if it is written, becomes that part.
        let ids = iter::once(reservation.id).chain(others).zip(amount.shares(n));
        // Made before the store divides, so that each is settled also when nobody waits for that any more.
        let parts: Vec<_> = ids
            .map(|(id, most)| {
                let part = Reservation { id, most, ..reservation.clone() };
                Self::new(self.ledger.clone(), part, self.expenses.clone())
            })
            .collect();
        let ids: Vec<_> = parts.iter().map(|part| part.note.reservation.id).collect();
        match self.ledger.0.store.split(reservation.id, &ids).await {
            Err(error) if reservation.has_budgets() => Err(error),
            // No budget counts them, so each may as well get its line when it ends.
            Err(error) => {
                tracing::debug!(%error, "the parts of a request are noted when they end");
                Ok(parts)
            }
            Ok(()) => Ok(parts),
        }
    }

    /// The exposure that whoever sends the request keeps.
    #[must_use]
    pub fn exposure(&self) -> Exposure {
        self.exposure.clone()
    }

    /// Notes what the request came to.
    pub fn ended(&mut self, bill: Bill) {
        let unknown = |request_id| Charge::Due { usage: None, cost: None, request_id };
        let charge = match (bill, &self.stage) {
            (Bill::Due { usage, cost, request_id }, _) => Charge::Due { usage, cost, request_id },
            (Bill::Unknown { request_id }, SpendStage::TakenOver) => unknown(request_id),
            (Bill::Unknown { request_id }, _) if self.exposure.is_open() => unknown(request_id),
            // The process that sent it may have been billed for more than this one can learn.
            (Bill::Nothing, SpendStage::TakenOver) => unknown(None),
            (Bill::Nothing | Bill::Unknown { .. }, _) => Charge::Nothing,
        };
        self.stage = SpendStage::Ended(charge);
    }

    /// Settles it: the line of the ledger, the turn and the end of the job are kept together or not at all.
    ///
    /// # Errors
    /// When the store cannot be used. The request is what it is all the same.
    pub async fn settle(
        mut self,
        end: RequestEnd,
        turn: Option<NewTurn>,
        job: Option<FinishedJob>,
    ) -> Result<Settled, store::Error> {
        let ledger = self.ledger.clone();
        match self.settlement() {
            Some(settlement) => {
                let end = Some(end);
                ledger.0.store.settle(Settlement { end, turn, job, ..settlement }).await
            }
            None => Ok(Settled::Whole),
        }
    }

    /// The end of it as it is known now; `None` where it was settled before.
    fn settlement(&mut self) -> Option<Settlement> {
        // Taken, so that the drop that follows a settlement does not book it once more.
        let charge = match mem::replace(&mut self.stage, SpendStage::Settled) {
            SpendStage::Open if !self.exposure.is_open() => Charge::Nothing,
            SpendStage::Open | SpendStage::TakenOver => Charge::Due { usage: None, cost: None, request_id: None },
            SpendStage::Ended(charge) => charge,
            SpendStage::Settled => return None,
        };
        let SpendNote { reservation, amount } = self.note.clone();
        if let Charge::Due { usage, cost, .. } = &charge {
            self.expenses.pay(*usage, *cost, amount);
        }
        Some(Settlement { reservation, amount, charge, end: None, turn: None, job: None })
    }
}

impl SpendNote {
    /// The reservation of what was granted.
    pub(super) fn reservation(&self) -> Reservation {
        Reservation { most: self.amount, ..self.reservation.clone() }
    }
}

impl Drop for Spend {
    fn drop(&mut self) {
        if let Some(settlement) = self.settlement() {
            self.ledger.0.store.settle_later(settlement);
        }
    }
}
