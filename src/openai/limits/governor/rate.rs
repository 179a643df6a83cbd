//! How requests are spaced so that no minute has more than its number, by the generic cell rate algorithm: pure sums over
//! moments, which are told as the time since the clock began.

use std::{num::NonZeroU32, time::Duration};

const MINUTE_IN_NANOS: u64 = 60_000_000_000;

/// At most so many in any 60 seconds: a tenth of them may go at once, the others evenly.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    /// How many may go at once after a rest.
    burst: u32,
    /// From one to the next, when there is no rest.
    spacing: Duration,
}

/// One place in the course of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// How long its holder waits.
    pub wait: Duration,
    /// When the next was due in theory before this place was taken, and since.
    pub before: Duration,
    pub after: Duration,
}

impl Rate {
    /// With a burst of b = 1 + N/10 and a spacing of 60 s / (N - b + 1), b + (N - b) are the most that fit into 60 s.
    pub(super) fn per_minute(most: NonZeroU32) -> Self {
        let burst = 1 + most.get() / 10;
        let evenly = u64::from(most.get() - burst + 1);
        Self { burst, spacing: Duration::from_nanos(MINUTE_IN_NANOS.div_ceil(evenly)) }
    }

    /// The first free place, when the next is due in theory at `due`.
    pub(super) fn place(self, due: Duration, now: Duration) -> Place {
        let tolerance = self.spacing * (self.burst - 1);
        let wait = due.saturating_sub(tolerance).saturating_sub(now);
        Place { wait, before: due, after: due.max(now) + self.spacing }
    }

    /// The least that somebody waits who has so many before him, however long nobody went.
    pub(super) fn least_wait(self, ahead: u32) -> Duration {
        self.spacing * (ahead + 1).saturating_sub(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    /// Everybody goes as early as allowed, after a rest and under load: no 60 s have more than the cap, and the load
    /// uses nine tenths of it.
    #[test]
    fn no_minute_has_more_than_its_number() {
        for most in [1, 2, 9, 10, 11, 19, 60, 61, 600, 5_000] {
            let rate = Rate::per_minute(NonZeroU32::new(most).unwrap());
            let (mut due, mut now, mut went) = (Duration::ZERO, MINUTE, Vec::new());
            for number in 0..4 * most {
                if number == 2 * most {
                    now += MINUTE / 3;
                }
                let place = rate.place(due, now);
                (due, now) = (place.after, now + place.wait);
                went.push(now);
            }
            for (start, next) in went.iter().zip(went.iter().skip(most as usize)) {
                assert!(*next >= *start + MINUTE, "more than {most} from {start:?} to {next:?}");
            }
            let first = went.iter().filter(|moment| **moment < 2 * MINUTE).count();
            assert_eq!(first, most as usize, "the first minute may use the whole of its number");
        }
    }

    #[test]
    fn a_place_in_a_line_has_a_least_wait_that_is_kept() {
        let rate = Rate::per_minute(NonZeroU32::new(60).unwrap());
        let (mut due, now) = (Duration::ZERO, MINUTE);
        for ahead in 0..30 {
            let place = rate.place(due, now);
            assert_eq!(place.wait, rate.least_wait(ahead));
            due = place.after;
        }
    }
}
