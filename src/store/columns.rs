//! Values as the columns of every engine have them: whole numbers of microseconds, picodollars and days.

use chrono::{DateTime, NaiveDate, Utc};

use crate::{handle::Id, money::Usd};

pub(super) fn moment(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

/// An identifier of its two columns.
pub(super) fn id(number: i64, secret: i64) -> Id {
    Id { number, secret: secret.cast_unsigned() }
}

pub(super) fn secret(id: Id) -> i64 {
    id.secret.cast_signed()
}

/// Amounts are whole picodollars; no column holds less than nothing.
pub(super) fn usd(picodollars: i64) -> Usd {
    Usd::from_picodollars(u64::try_from(picodollars).unwrap_or_default())
}

/// Days since 1970.
pub(super) fn day_number(day: NaiveDate) -> i64 {
    day.signed_duration_since(DateTime::UNIX_EPOCH.date_naive()).num_days()
}
