//! Allowance of an authenticated caller: the use that its token permits, and the pace and number of calls that it is
//! held to.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use crate::{
    handle::Account,
    store::{
        self, PaceStore,
        callers::{CallerScope, KnownCaller},
        money::CallerShare,
        pace::{PaceCap, PlaceGrant, PlaceRequest, Rate, RunningCall},
    },
};

/// A call that would wait longer for its turn is refused.
const PATIENCE: Duration = Duration::from_secs(10);

/// A caller's rights, with what they are held by.
#[derive(Debug, Clone)]
pub struct Allowance {
    caller: Arc<KnownCaller>,
    pace: Arc<dyn PaceStore>,
}

/// Reasons why a caller may not make a call now.
#[derive(Debug, thiserror::Error)]
pub enum Limited {
    /// The token lacks this scope.
    #[error("this token is not for {}: whoever runs this server can add the scope {}", use_of(*.0), .0.name())]
    Scope(CallerScope),
    /// No place under a cap is free soon enough; nothing was taken.
    #[error("{what} are limited to {most} a minute for this token: wait, or ask whoever runs this server for more")]
    Pace {
        /// `calls` or `pictures`.
        what: &'static str,
        /// The limit: so many a minute.
        most: NonZeroU32,
        /// Time until the first place is free: 10 s at least.
        wait: Duration,
    },
    /// As many calls of the caller run as may, in all processes together.
    #[error("calls at once are limited to {most} for this token, and so many run: wait until one has ended")]
    Running {
        /// The limit: so many at once.
        most: NonZeroU32,
    },
    /// The caller's use cannot be looked up.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// A scope in words that follow "not for".
fn use_of(scope: CallerScope) -> &'static str {
    match scope {
        CallerScope::Ask => "asking models",
        CallerScope::Pictures => "making pictures",
        CallerScope::Usage => "reading what calls cost",
        CallerScope::Admin => "reading what others' calls cost",
    }
}

impl Allowance {
    /// Joins the rights of a caller with the counts that hold it to them.
    #[must_use]
    pub fn new(caller: Arc<KnownCaller>, pace: Arc<dyn PaceStore>) -> Self {
        Self { caller, pace }
    }

    /// The caller and its budgets.
    #[must_use]
    pub fn share(&self) -> CallerShare {
        let limits = self.caller.rights.limits;
        let name = self.caller.name.clone();
        CallerShare { name, per_day: limits.usd_per_day, per_month: limits.usd_per_month }
    }

    /// Lets a call of this kind in, and says for how long it has to wait before it begins. It counts as running while the
    /// first of the result is held, where that is limited.
    ///
    /// # Errors
    /// [`Limited`]; then nothing of the limits is used.
    pub async fn admit(&self, scope: CallerScope) -> Result<(Option<RunningCall>, Duration), Limited> {
        if !self.caller.rights.scopes.contains(&scope) {
            return Err(Limited::Scope(scope));
        }
        let limits = self.caller.rights.limits;
        // Before the pace: a call that is refused there gives this place back, and a place under a pace cannot be given
        // back.
        let running = match limits.running {
            None => None,
            Some(most) => {
                let begun = self.pace.begin_call(&self.caller.name, most).await?;
                Some(begun.ok_or(Limited::Running { most })?)
            }
        };
        let wait = self.take(PaceCap::Requests, "calls", limits.requests_per_minute, 1).await?;
        Ok((running, wait))
    }

    /// Takes places for `n` pictures, and says how far away the last is.
    ///
    /// # Errors
    /// [`Limited`]; then none is taken.
    pub async fn take_pictures(&self, n: u32) -> Result<Duration, Limited> {
        self.take(PaceCap::Pictures, "pictures", self.caller.rights.limits.pictures_per_minute, n).await
    }

    async fn take(
        &self,
        cap: PaceCap,
        what: &'static str,
        most: Option<NonZeroU32>,
        places: u32,
    ) -> Result<Duration, Limited> {
        let Some(most) = most else { return Ok(Duration::ZERO) };
        let place = PlaceRequest { cap, rate: Rate::of_caller(most), places, within: PATIENCE };
        match self.pace.pass(&Account(self.caller.name.owner().0), place).await? {
            PlaceGrant::Granted { wait } => Ok(wait),
            PlaceGrant::TooFar { wait } => Err(Limited::Pace { what, most, wait }),
        }
    }
}
