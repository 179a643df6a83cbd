//! Turns with other processes at one database.

use std::time::{Duration, Instant};

use super::fault::Fault;

/// Waits for a database that another process holds: short ones, so that no writer starves. SQLite's own grow to 100 ms,
/// and one of four writers was seen to wait 1.4 s.
const TURNS: [Duration; 3] = [Duration::from_micros(50), Duration::from_micros(150), Duration::from_micros(400)];

/// Tries again while another process holds the database, until then.
pub(super) fn patiently<T>(until: Instant, mut attempt: impl FnMut() -> Result<T, Fault>) -> Result<T, Fault> {
    let mut turns = TURNS.into_iter().cycle();
    loop {
        match attempt() {
            Err(Fault::Locked) if Instant::now() < until => std::thread::sleep(turns.next().unwrap_or_default()),
            ended => return ended,
        }
    }
}
