//! The spacing of requests such that no minute has more than its number, by the generic cell rate algorithm: pure sums
//! over moments in microseconds of any clock.

use std::{num::NonZeroU32, time::Duration};

use super::PlaceGrant;
use crate::store::columns::micros;

const MINUTE_IN_MICROS: u64 = 60_000_000;
/// In microseconds. Nobody waits for longer: a moment that lies further ahead is of a clock that was set back since.
const FURTHEST: i64 = 3_600_000_000;

/// At most so many in any 60 seconds: some of them at once, the others evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests that may go at once after a rest.
    burst: u32,
    /// From one to the next, when there is no rest.
    spacing: Duration,
}

impl Rate {
    /// A tenth at once, the others evenly. Each that may go at once is one less a minute under constant load: nine
    /// tenths of the cap are used then.
    #[must_use]
    pub fn per_minute(most: NonZeroU32) -> Self {
        Self::with_burst(most, 1 + most.get() / 10)
    }

    /// The same for a caller, who makes a few calls at once and then none: also of a small number, half goes at once.
    #[must_use]
    pub fn of_caller(most: NonZeroU32) -> Self {
        let most_at_once = most.get() / 2;
        Self::with_burst(most, 1 + (most.get() / 10).max(most_at_once.min(3)))
    }

    /// With a burst of b and a spacing of 60 s / (N - b + 1), b + (N - b) are the most that fit into 60 s.
    fn with_burst(most: NonZeroU32, burst: u32) -> Self {
        let evenly = u64::from(most.get() - burst + 1);
        // Rounded up: a spacing that is a microsecond too short lets one more into the minute.
        Self { burst, spacing: Duration::from_micros(MINUTE_IN_MICROS.div_ceil(evenly)) }
    }

    /// The next free places, when the theoretical arrival time of the next request is `due`; then the one after them with
    /// it. None is taken where the first is further away than `within`.
    #[must_use]
    pub fn place(self, due: Option<i64>, now: i64, places: u32, within: Duration) -> (PlaceGrant, Option<i64>) {
        let (spacing, tolerance, within) = (micros(self.spacing), micros(self.tolerance()), micros(within));
        // A clock that was set back must not hold anybody up for longer than the cap can.
        let furthest = now.saturating_add(tolerance).saturating_add(spacing).saturating_add(within);
        let due = due.filter(|due| due.saturating_sub(now) < FURTHEST).unwrap_or(now).min(furthest);
        let wait = due.saturating_sub(tolerance).saturating_sub(now).max(0);
        let reported = Duration::from_micros(wait.unsigned_abs());
        if wait >= within {
            return (PlaceGrant::TooFar { wait: reported }, None);
        }
        let after = due.max(now).saturating_add(spacing.saturating_mul(places.into()));
        let last = after.saturating_sub(spacing).saturating_sub(tolerance).saturating_sub(now).max(0);
        (PlaceGrant::Granted { wait: Duration::from_micros(last.unsigned_abs()) }, Some(after))
    }

    /// The least that somebody waits who has so many before him, however long nobody went.
    #[must_use]
    pub fn least_wait(self, ahead: u32) -> Duration {
        self.spacing * (ahead + 1).saturating_sub(self.burst)
    }

    /// Time that the theoretical arrival time may lie ahead.
    fn tolerance(self) -> Duration {
        self.spacing * (self.burst - 1)
    }
}

/// The moment `due`, as it was meant when it was written, by a clock that was set back since; `None` where it was not.
pub(in crate::store) fn moved_back(due: i64, written: Option<i64>, now: i64) -> Option<i64> {
    let back = written?.saturating_sub(now);
    (back > 0).then(|| due.saturating_sub(back))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;
    const FAR: Duration = Duration::from_hours(24);

    fn take(rate: Rate, due: &mut Option<i64>, now: i64) -> i64 {
        let (PlaceGrant::Granted { wait }, after) = rate.place(*due, now, 1, FAR) else {
            unreachable!("it is far away")
        };
        *due = after;
        micros(wait)
    }

    /// Everybody goes as early as allowed, after a rest and under load: no 60 s have more than the cap, and the load
    /// uses nine tenths of it.
    #[test]
    fn no_minute_has_more_than_its_number() {
        let numbers =
            [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 19, 60, 61, 600, 5_000].map(|most| NonZeroU32::new(most).unwrap());
        let rates = numbers.map(|most| [(most, Rate::per_minute(most)), (most, Rate::of_caller(most))]);
        for (most, rate) in rates.as_flattened().iter().map(|(most, rate)| (most.get(), *rate)) {
            let (mut due, mut now, mut went) = (None, MINUTE, Vec::new());
            for number in 0..4 * most {
                if number == 2 * most {
                    now += MINUTE / 3;
                }
                now += take(rate, &mut due, now);
                went.push(now);
            }
            for (start, next) in went.iter().zip(went.iter().skip(most as usize)) {
                assert!(*next >= *start + MINUTE, "more than {most} from {start} to {next}");
            }
            let first = went.iter().filter(|moment| **moment < 2 * MINUTE).count();
            assert_eq!(first, most as usize, "the first minute may use the whole of its number");
        }
    }

    #[test]
    fn a_place_in_a_queue_has_a_least_wait_that_is_kept() {
        let rate = Rate::per_minute(NonZeroU32::new(60).unwrap());
        let mut due = None;
        for ahead in 0..30 {
            assert_eq!(take(rate, &mut due, MINUTE), micros(rate.least_wait(ahead)));
        }
    }

    #[test]
    fn several_places_are_as_many_single_ones() {
        let rate = Rate::per_minute(NonZeroU32::new(60).unwrap());
        let mut due = None;
        let singly: Vec<_> = (0..10).map(|_| take(rate, &mut due, MINUTE)).collect();
        let (PlaceGrant::Granted { wait }, after) = rate.place(None, MINUTE, 10, FAR) else {
            unreachable!("it is far")
        };
        assert_eq!((Some(&micros(wait)), after), (singly.last(), due));
    }

    #[test]
    fn what_is_too_far_away_is_not_taken() {
        let rate = Rate::per_minute(NonZeroU32::MIN);
        let within = Duration::from_mins(1);
        let (first, due) = rate.place(None, 0, 1, within);
        assert_eq!(first, PlaceGrant::Granted { wait: Duration::ZERO });
        assert_eq!(rate.place(due, 0, 1, within), (PlaceGrant::TooFar { wait: within }, None));
    }

    #[test]
    fn a_clock_that_was_set_back_stops_nobody_for_long() {
        let rate = Rate::per_minute(NonZeroU32::MIN);
        let within = Duration::from_secs(1);
        let (PlaceGrant::TooFar { wait }, None) = rate.place(Some(30 * MINUTE), 0, 1, within) else {
            unreachable!("it is taken")
        };
        assert_eq!(wait, Duration::from_secs(61));
        for set_back in [60 * MINUTE, i64::MAX] {
            assert_eq!(rate.place(Some(set_back), 0, 1, within).0, PlaceGrant::Granted { wait: Duration::ZERO });
        }
    }

    #[test]
    fn what_was_due_moves_with_a_clock_that_is_set_back() {
        assert_eq!(moved_back(MINUTE + 10, Some(MINUTE), 7), Some(17));
        assert_eq!([Some(7), Some(6), None].map(|written| moved_back(MINUTE, written, 7)), [None; 3]);
    }

    #[test]
    fn a_caller_may_make_a_pair_of_calls_at_once() {
        for most in 2..100 {
            let rate = Rate::of_caller(NonZeroU32::new(most).unwrap());
            let mut due = None;
            assert_eq!([0; 2].map(|_| take(rate, &mut due, MINUTE)), [0; 2], "{most}");
        }
    }
}
