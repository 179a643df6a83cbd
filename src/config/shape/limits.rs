//! Limits of a caller as people write them: `day=5`, `requests=60`, `running=none`.

use std::num::NonZeroU32;

use super::{CommaList, DollarAmount, Raw, SettingKind};
use crate::{money::Usd, store::callers::CallerLimits, text::nearest};

/// Limits with commas between them, or a list of them.
pub struct CallerLimitList;

/// A limit that is set or lifted.
#[derive(Debug, Clone, Copy)]
pub enum LimitSetting {
    /// Calls a minute.
    Requests(Option<NonZeroU32>),
    /// Pictures a minute.
    Pictures(Option<NonZeroU32>),
    /// Calls at once.
    Running(Option<NonZeroU32>),
    /// US dollars a day.
    Day(Option<Usd>),
    /// US dollars a month.
    Month(Option<Usd>),
}

/// The limits with these settings laid over them.
#[must_use]
pub fn applied(mut limits: CallerLimits, settings: &[LimitSetting]) -> CallerLimits {
    for setting in settings {
        match *setting {
            LimitSetting::Requests(limit) => limits.requests_per_minute = limit,
            LimitSetting::Pictures(limit) => limits.pictures_per_minute = limit,
            LimitSetting::Running(limit) => limits.running = limit,
            LimitSetting::Day(limit) => limits.usd_per_day = limit,
            LimitSetting::Month(limit) => limits.usd_per_month = limit,
        }
    }
    limits
}

impl SettingKind for CallerLimitList {
    type Value = CallerLimits;

    fn parse(&self, raw: &Raw) -> Result<CallerLimits, String> {
        let settings =
            CommaList.parse(raw)?.iter().map(|item| LimitSetting::parse(item)).collect::<Result<Vec<_>, _>>()?;
        Ok(applied(CallerLimits::default(), &settings))
    }

    fn takes(&self) -> String {
        "limits such as `day=5,month=50,requests=60,pictures=10,running=4`".to_owned()
    }
}

impl LimitSetting {
    /// Reads one such as `day=5`.
    ///
    /// # Errors
    /// A sentence that names the fault, and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        const NAMES: [&str; 5] = ["requests", "pictures", "running", "day", "month"];
        let (name, value) = text.split_once('=').ok_or("it has no `=`: name a limit and its value, such as day=5")?;
        let number = || match value {
            "none" => Ok(None),
            _ => {
                value.parse().map(Some).map_err(|_| format!("`{value}` is not a whole number above 0, and not `none`"))
            }
        };
        let amount = || {
            if value == "none" {
                return Ok(None);
            }
            let amount = DollarAmount.parse(&Raw::Text(value.to_owned())).map(Some);
            amount.map_err(|why| format!("{why}: it takes {}, or `none`", DollarAmount.takes()))
        };
        match name {
            "requests" => number().map(Self::Requests),
            "pictures" => number().map(Self::Pictures),
            "running" => number().map(Self::Running),
            "day" => amount().map(Self::Day),
            "month" => amount().map(Self::Month),
            other => Err(format!(
                "there is no limit `{other}`; the nearest is {}, and there are {}",
                nearest(other, NAMES.into_iter()),
                NAMES.join(", ")
            )),
        }
    }
}
