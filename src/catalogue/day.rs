//! A day as it is written in TOML.

use chrono::NaiveDate;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use toml::value::Datetime;

/// A date without a time, such as `2026-11-26`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Day(pub NaiveDate);

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let moment = Datetime::deserialize(deserializer)?;
        let date = moment.date.filter(|_| moment.time.is_none());
        let date = date.and_then(|date| NaiveDate::from_ymd_opt(date.year.into(), date.month.into(), date.day.into()));
        date.map(Self).ok_or_else(|| D::Error::custom("a day is written 2026-11-22, without a time"))
    }
}
