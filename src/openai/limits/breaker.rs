//! The circuit breaker: after five calls in a row that a model's upstream failed, new calls fail at once, and one probe
//! after a cool-off finds out whether it is back. Knows no HTTP.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::model::ModelId;

/// Models that are failing at one time, at most: names come from outside. Further ones go without a breaker.
const MODELS: usize = 256;

/// The breakers of one upstream, one a model. A model without an entry is well.
#[derive(Debug, Default)]
pub(crate) struct Breakers(Mutex<HashMap<ModelId, Breaker>>);

#[derive(Debug)]
struct Breaker {
    state: BreakerState,
    /// The reason why the last call failed.
    cause: String,
    cool_off: Duration,
}

#[derive(Debug, Clone, Copy)]
enum BreakerState {
    /// Calls pass; `failures` of them in a row failed.
    Closed {
        failures: u32,
    },
    Open {
        probe_at: Instant,
    },
    /// The probe is out. Should it vanish without a result, the next one is due at `probe_at`.
    Probing {
        probe_at: Instant,
    },
}

/// An open breaker: when a probe is due, and why it opened.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Open {
    pub wait: Duration,
    pub cause: String,
}

impl Breakers {
    /// Calls in a row, each of which was tried again as often as it may be.
    const FAILURES: u32 = 5;
    /// Doubled with each probe that fails, up to the longest.
    const FIRST_COOL_OFF: Duration = Duration::from_secs(10);
    const LONGEST_COOL_OFF: Duration = Duration::from_mins(1);

    /// Lets a call through, unless the breaker is open.
    pub(crate) fn pass(&self, model: &ModelId, now: Instant) -> Result<(), Open> {
        let mut models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The usual case: a model that is well has no entry.
        let Some(breaker) = models.get_mut(model) else { return Ok(()) };
        match breaker.state {
            BreakerState::Closed { .. } => Ok(()),
            BreakerState::Open { probe_at } | BreakerState::Probing { probe_at } if now < probe_at => {
                Err(Open { wait: probe_at - now, cause: breaker.cause.clone() })
            }
            BreakerState::Open { .. } | BreakerState::Probing { .. } => {
                // The next probe waits for a whole cool-off again, so that one call at a time finds out.
                breaker.state = BreakerState::Probing { probe_at: now + breaker.cool_off };
                Ok(())
            }
        }
    }

    /// Notes that an answer has begun. Nobody need wait for its end, which may be minutes away; but it may be nothing
    /// but one more complaint, inside a 200.
    pub(crate) fn answering(&self, model: &ModelId) {
        let mut models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(breaker) = models.get_mut(model)
            && !matches!(breaker.state, BreakerState::Closed { .. })
        {
            breaker.state = BreakerState::Closed { failures: Self::FAILURES - 1 };
        }
    }

    pub(crate) fn succeeded(&self, model: &ModelId) {
        // A success removes the entry: models that are well take no room.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(model);
    }

    /// Counts a call that failed for good because the upstream is failing.
    pub(crate) fn failed(&self, model: &ModelId, cause: String, now: Instant) {
        let mut models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if models.len() >= MODELS && !models.contains_key(model) {
            // Names that failed now and then, and are never heard of again, must not leave all others without one.
            models.retain(|_, breaker| !matches!(breaker.state, BreakerState::Closed { .. }));
            if models.len() >= MODELS {
                return;
            }
        }
        let breaker = models.entry(model.clone()).or_insert(Breaker {
            state: BreakerState::Closed { failures: 0 },
            cause: String::new(),
            cool_off: Self::FIRST_COOL_OFF,
        });
        breaker.cause = cause;
        breaker.state = match breaker.state {
            BreakerState::Closed { failures } if failures + 1 < Self::FAILURES => {
                BreakerState::Closed { failures: failures + 1 }
            }
            BreakerState::Closed { .. } => BreakerState::Open { probe_at: now + breaker.cool_off },
            // A call that was under way when the breaker opened says nothing new.
            open @ BreakerState::Open { .. } => open,
            BreakerState::Probing { .. } => {
                breaker.cool_off = (breaker.cool_off * 2).min(Self::LONGEST_COOL_OFF);
                BreakerState::Open { probe_at: now + breaker.cool_off }
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(seconds: u64) -> Open {
        Open { wait: Duration::from_secs(seconds), cause: "down".to_owned() }
    }

    #[test]
    fn u07_opens_after_five_failures_and_one_probe_closes_it() {
        let breakers = Breakers::default();
        let model = ModelId::parse("m").unwrap();
        let other = ModelId::parse("other").unwrap();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for _ in 0..5 {
            assert_eq!(breakers.pass(&model, start), Ok(()));
            breakers.failed(&model, "down".to_owned(), start);
        }
        assert_eq!(breakers.pass(&model, at(3)), Err(open(7)));
        assert_eq!(breakers.pass(&other, at(3)), Ok(()));

        assert_eq!(breakers.pass(&model, at(10)), Ok(()), "the probe");
        assert_eq!(breakers.pass(&model, at(10)), Err(open(10)), "only one");
        breakers.failed(&model, "down".to_owned(), at(11));
        assert_eq!(breakers.pass(&model, at(11)), Err(open(20)));

        assert_eq!(breakers.pass(&model, at(31)), Ok(()), "the second probe");
        breakers.succeeded(&model);
        assert_eq!(breakers.pass(&model, at(31)), Ok(()));
    }

    #[test]
    fn u07_an_answer_that_has_begun_lets_others_through_and_may_still_fail() {
        let breakers = Breakers::default();
        let model = ModelId::parse("m").unwrap();
        let now = Instant::now();
        (0..5).for_each(|_| breakers.failed(&model, "down".to_owned(), now));
        assert_eq!(breakers.pass(&model, now), Err(open(10)));
        breakers.answering(&model);
        assert_eq!(breakers.pass(&model, now), Ok(()));
        breakers.failed(&model, "down".to_owned(), now);
        assert_eq!(breakers.pass(&model, now), Err(open(10)));
    }

    #[test]
    fn u07_the_cool_off_grows_with_each_probe_up_to_a_minute() {
        let breakers = Breakers::default();
        let model = ModelId::parse("m").unwrap();
        let mut now = Instant::now();
        // So many calls that failed together are one failure of the upstream.
        (0..50).for_each(|_| breakers.failed(&model, "down".to_owned(), now));
        for cool_off in [10, 20, 40, 60, 60] {
            assert_eq!(breakers.pass(&model, now), Err(open(cool_off)));
            now += Duration::from_secs(cool_off);
            assert_eq!(breakers.pass(&model, now), Ok(()), "the probe");
            breakers.failed(&model, "down".to_owned(), now);
        }
    }

    #[test]
    fn u07_names_that_failed_once_take_no_breaker_from_others() {
        let breakers = Breakers::default();
        let model = |number: usize| ModelId::parse(&format!("m{number}")).unwrap();
        let now = Instant::now();
        let fail =
            |number, times: u32| (0..times).for_each(|_| breakers.failed(&model(number), "down".to_owned(), now));
        fail(0, 5);
        (1..MODELS).for_each(|number| fail(number, 1));
        fail(MODELS, 5);
        assert_eq!(breakers.pass(&model(MODELS), now), Err(open(10)));
        assert_eq!(breakers.pass(&model(0), now), Err(open(10)), "one that is open stays so");
    }
}
