//! Prices of service tiers.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{day::Day, rates::Rates};
use crate::money::{Factor, Tier};

/// The price of each service tier; `None`: not known.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tiers {
    /// `batch`: answered within a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<AtTier>,
    /// `flex`: cheaper and slower than `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flex: Option<AtTier>,
    /// `priority`, also called `fast`: dearer and faster than `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<AtTier>,
    /// `ultrafast`: the fastest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ultrafast: Option<AtTier>,
}

/// The price of a service tier.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a tier is a factor, or prices of its own, or a factor, `until` which day, and what `then`"
)]
pub enum AtTier {
    /// The price, times this.
    Times(Factor),
    /// The first to the end of a day (UTC), and then the other.
    Until {
        /// Up to and with the day `until`.
        factor: Factor,
        /// The last day of `factor`, in UTC.
        until: Day,
        /// From the next day on.
        then: Factor,
    },
    /// Prices of its own.
    Own(Rates),
}

impl Tiers {
    /// These, and those of `other` where nothing is said here.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            batch: self.batch.or(other.batch),
            flex: self.flex.or(other.flex),
            priority: self.priority.or(other.priority),
            ultrafast: self.ultrafast.or(other.ultrafast),
        }
    }

    /// The rates at a tier on a day, and the factor on them; `None` where they are not known.
    pub(super) fn at(&self, tier: Tier, on: NaiveDate, listed: Rates) -> Option<(Rates, Factor)> {
        // A price without tiers holds at all of them: a user who gives one price means it.
        if *self == Self::default() {
            return Some((listed, Factor::ONE));
        }
        let Self { batch, flex, priority, ultrafast } = *self;
        let priced = match tier {
            Tier::Default => return Some((listed, Factor::ONE)),
            Tier::Batch => batch?,
            Tier::Flex => flex?,
            Tier::Priority => priority?,
            Tier::Ultrafast => ultrafast?,
            // Such as `scale`, whose price nobody publishes: no cost is better than a wrong one.
            Tier::Other => return None,
        };
        Some(match priced {
            AtTier::Times(factor) => (listed, factor),
            AtTier::Until { factor, until, .. } if on <= until.0 => (listed, factor),
            AtTier::Until { then, .. } => (listed, then),
            AtTier::Own(rates) => (rates, Factor::ONE),
        })
    }
}
