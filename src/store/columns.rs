//! Values as the columns of every engine have them: whole numbers of microseconds, picodollars and days.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};

use crate::{handle::Id, money::Usd};

/// One row of an answer, as an engine gives it.
pub(super) trait StoreRow {
    /// A column that is not there, or has another type.
    type Fault;

    fn number(&self, at: usize) -> Result<i64, Self::Fault>;
    fn maybe_number(&self, at: usize) -> Result<Option<i64>, Self::Fault>;
    fn flag(&self, at: usize) -> Result<bool, Self::Fault>;
    fn bytes(&self, at: usize) -> Result<Vec<u8>, Self::Fault>;
    fn text(&self, at: usize) -> Result<String, Self::Fault>;
    fn maybe_text(&self, at: usize) -> Result<Option<String>, Self::Fault>;

    /// A number that cannot be less than nothing.
    fn count(&self, at: usize) -> Result<u64, Self::Fault> {
        Ok(u64::try_from(self.number(at)?).unwrap_or_default())
    }
}

/// A value of one row. The engines select its columns in one order.
pub(super) trait OfRow: Sized {
    fn of_row<R: StoreRow>(row: &R) -> Result<Self, R::Fault>;
}

impl OfRow for Id {
    fn of_row<R: StoreRow>(row: &R) -> Result<Self, R::Fault> {
        Ok(id(row.number(0)?, row.number(1)?))
    }
}

impl OfRow for String {
    fn of_row<R: StoreRow>(row: &R) -> Result<Self, R::Fault> {
        row.text(0)
    }
}

pub(super) fn moment(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

/// The length of a time. Longer than 36,000 years is as long as those: whoever adds it to a moment cannot overflow.
pub(super) fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 8)
}

/// An identifier of its two columns.
/// Both engines have signed whole numbers alone: of a secret the bits are kept, whatever number they make.
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
